"""How far several workers on this machine come."""

from __future__ import annotations

from functools import partial

from harness.effort import Effort
from harness.load import load_workers
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate
from harness.store import Usage, emptied
from harness.workers import several_workers

FIGURES = (
    Figure("workers.rate", "runs of 5 tokens", "runs/s"),
    Figure("workers.cpu", "run of 5 tokens, CPU of all workers", "ms"),
    Figure("workers.redis_cpu", "run of 5 tokens, CPU of Redis", "µs"),
)
WORKERS = (1, 2, 4)


def measure(effort: Effort) -> list[Result]:
    """Measure each number of workers."""
    few = effort.limited(rounds=2)
    return [
        result
        for count in effort.points(WORKERS)
        for result in results(
            FIGURES,
            alternate(few, {"threadmill": partial(_values, count, effort.runs)}),
            over="workers",
            at=count,
        )
    ]


def _values(count: int, runs: int) -> Values:
    server = emptied()
    with several_workers(count, 100) as processes:
        before = Usage.read(server)
        load = load_workers(processes, runs, "tokens=5 delay=0")
        used = Usage.read(server).since(before)
    return {
        "workers.rate": runs / load.seconds,
        "workers.cpu": load.cpu / runs * 1000,
        "workers.redis_cpu": used.cpu_us / runs,
    }
