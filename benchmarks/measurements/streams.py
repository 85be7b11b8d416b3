"""What a token costs, by the number of streams that a worker has at once.

The tokens of a stream are 0.1 s apart. The more streams there are, the more of their tokens are
written together.
"""

from __future__ import annotations

import subprocess
from functools import partial
from typing import Any

from harness.effort import Effort
from harness.load import load_bare_sdk, load_workers
from harness.results import Figure, Result, Values, results
from harness.rounds import Contender, alternate
from harness.store import Usage, emptied
from harness.workers import worker

SDK = "bare SDK"
FIGURES = (
    Figure("streams.cpu", "token, CPU of the worker", "µs", (SDK,)),
    Figure("streams.redis_cpu", "token, CPU of Redis", "µs"),
)
STREAMS = (10, 30, 100, 300, 1000)
TOKENS = 20
LEAST_RUNS = 30
"""A point with few streams has several groups of them, one after the other."""
MESSAGE = f"tokens={TOKENS} delay=0.1"


def measure(effort: Effort) -> list[Result]:
    """Measure each number of streams, on one worker."""
    server, few = emptied(), effort.limited(rounds=2)
    with worker(STREAMS[-1]) as process:
        found = []
        for streams in effort.points(STREAMS):
            contenders: dict[str, Contender] = {
                "threadmill": partial(_ours, server, process, streams),
                SDK: partial(_bare, streams),
            }
            found += results(FIGURES, alternate(few, contenders), over="streams", at=streams)
    return found


def _ours(server: Any, process: subprocess.Popen[str], streams: int) -> Values:
    before, cpu = Usage.read(server), 0.0
    groups = max(1, LEAST_RUNS // streams)
    for _ in range(groups):
        cpu += load_workers([process], streams, MESSAGE).cpu
    tokens = groups * streams * TOKENS
    return {
        "streams.cpu": cpu / tokens * 1e6,
        "streams.redis_cpu": Usage.read(server).since(before).cpu_us / tokens,
    }


def _bare(streams: int) -> Values:
    runs = max(LEAST_RUNS, streams)
    load = load_bare_sdk(runs, streams, MESSAGE)
    return {"streams.cpu": load.cpu / runs / TOKENS * 1e6, "streams.redis_cpu": 0.0}
