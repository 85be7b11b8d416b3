"""What tokens cost a worker: CPU, memory, and how many runs it ends in a second.

The peers execute as many: the SDK's own stream, which stores nothing, and the Celery task that a
team would write, on two of Celery's pools. CPU and memory are those of the executing processes.
"""

from __future__ import annotations

from harness.contenders import PREFORK, SDK, THREADS, contenders
from harness.effort import Effort
from harness.load import Load
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate

PEERS = (SDK, THREADS, PREFORK)
FIGURES = (
    Figure("token_50.cpu", "token, of 50 in a run, CPU of the worker", "µs", PEERS),
    Figure("token_50.rate", "runs of 50 tokens", "runs/s", PEERS),
    Figure("token_50.memory", "memory of the worker after 200 runs at once", "MB", PEERS),
)


def measure(effort: Effort) -> list[Result]:
    """Measure runs of 50 tokens."""
    chosen = contenders("tokens=50 delay=0.02", effort.runs, _values, *PEERS)
    return results(FIGURES, alternate(effort, chosen))


def _values(load: Load, runs: int) -> Values:
    return {
        "token_50.cpu": load.cpu / runs / 50 * 1e6,
        "token_50.rate": runs / load.seconds,
        "token_50.memory": load.memory,
    }
