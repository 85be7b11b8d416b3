"""What a token costs, by the number of streams that a worker has at once.

The tokens of a stream are 0.1 s apart. The more streams there are, the more of their tokens are
written together. Runs have 20 tokens, so that a twentieth of what a run costs besides its tokens is
counted with each. With the most streams, runs of 60 tokens are measured, too: what differs is the
tokens', the rest is the run's.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from harness.effort import Effort
from harness.load import load_bare_sdk, load_workers
from harness.results import Figure, Result, Values, results
from harness.rounds import Contender, alternate
from harness.store import Usage, emptied
from harness.workers import worker

SDK = "bare SDK"
FIGURES = (
    Figure("streams.cpu", "token, of 20 in a run, CPU of the worker", "µs", (SDK,)),
    Figure("streams.redis_cpu", "token, of 20 in a run, CPU of Redis", "µs"),
)
APART = (
    Figure("streams.token_cpu", "with the most streams, a token, CPU of the worker", "µs"),
    Figure("streams.run_cpu", "the rest of a run, CPU of the worker", "µs"),
    Figure("streams.token_redis_cpu", "with the most streams, a token, CPU of Redis", "µs"),
    Figure("streams.run_redis_cpu", "the rest of a run, CPU of Redis", "µs"),
)
STREAMS = (10, 30, 100, 300, 1000)
TOKENS, MORE_TOKENS = 20, 60
LEAST_RUNS = 30
"""A point with few streams has several groups of them, one after the other."""
ASKING_SECONDS = 0.25
"""So that asking for the end costs Redis almost nothing, compared with the tokens."""


class Costs(NamedTuple):
    """Microseconds of CPU that runs cost, each."""

    worker: float
    redis: float


def measure(effort: Effort) -> list[Result]:
    """Measure each number of streams, on one worker."""
    server, few = emptied(), effort.limited(rounds=2)
    with worker(STREAMS[-1]) as process:
        measured = partial(_costs, server, process)
        found = []
        for streams in effort.points(STREAMS):
            contenders: dict[str, Contender] = {
                "threadmill": partial(_ours, measured, streams),
                SDK: partial(_bare, streams),
            }
            found += results(FIGURES, alternate(few, contenders), over="streams", at=streams)
        apart = alternate(few, {"threadmill": partial(_apart, measured)})
        return [*found, *results(APART, apart)]


def _ours(measured: Callable[[int, int], Costs], streams: int) -> Values:
    run = measured(streams, TOKENS)
    return {"streams.cpu": run.worker / TOKENS, "streams.redis_cpu": run.redis / TOKENS}


def _bare(streams: int) -> Values:
    runs = max(LEAST_RUNS, streams)
    load = load_bare_sdk(runs, streams, _message(TOKENS))
    return {"streams.cpu": load.cpu / runs / TOKENS * 1e6, "streams.redis_cpu": 0.0}


def _apart(measured: Callable[[int, int], Costs]) -> Values:
    few, more = measured(STREAMS[-1], TOKENS), measured(STREAMS[-1], MORE_TOKENS)
    worker_cpu, redis_cpu = (
        (more_us - few_us) / (MORE_TOKENS - TOKENS)
        for few_us, more_us in zip(few, more, strict=True)
    )
    return {
        "streams.token_cpu": worker_cpu,
        "streams.run_cpu": few.worker - TOKENS * worker_cpu,
        "streams.token_redis_cpu": redis_cpu,
        "streams.run_redis_cpu": few.redis - TOKENS * redis_cpu,
    }


def _costs(server: Any, process: subprocess.Popen[str], streams: int, tokens: int) -> Costs:
    before, cpu = Usage.read(server), 0.0
    groups = max(1, LEAST_RUNS // streams)
    for _ in range(groups):
        cpu += load_workers([process], streams, _message(tokens), ASKING_SECONDS).cpu
    redis_us = Usage.read(server).since(before).cpu_us
    return Costs(cpu / groups / streams * 1e6, redis_us / groups / streams)


def _message(tokens: int) -> str:
    return f"tokens={tokens} delay=0.1"
