"""What it costs that runs wait for one thread, beside as many on threads of their own."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from harness.cpu import Stopwatch, cpu_seconds
from harness.effort import Effort
from harness.load import wait_all
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate
from harness.store import Usage, emptied
from harness.workers import worker

from threadmill import Assistant, Run, Thread

APART = "threads of their own"
FIGURES = (
    Figure("line.enqueue_cpu", "enqueue_async, CPU of the producer", "ms", (APART,)),
    Figure("line.worker_cpu", "run of 1 token, CPU of the worker", "ms", (APART,)),
    Figure("line.redis_cpu", "run of 1 token, CPU of Redis", "µs", (APART,)),
    Figure("line.seconds", "from one run of the line to the next", "ms"),
)
LENGTHS = (1, 10, 100)
LEAST_RUNS = 100
"""A point with short lines has several of them, one after the other."""
LAST = {"type": "last_messages", "last_messages": 1}
"""Otherwise each run of a line would send what those before it have said."""
MESSAGE = "tokens=1 delay=0"


def measure(effort: Effort) -> list[Result]:
    """Measure lines of each length."""
    server = emptied()
    few = effort.limited(rounds=2)
    with worker() as process:
        return [
            result
            for length in effort.points(LENGTHS)
            for result in _at(few, server, process.pid, length)
        ]


def _at(effort: Effort, server: Any, pid: int, length: int) -> list[Result]:
    contenders = {
        "threadmill": partial(_values, server, pid, length, in_line=True),
        APART: partial(_values, server, pid, length, in_line=False),
    }
    return results(FIGURES, alternate(effort, contenders), over="runs in line", at=length)


def _values(server: Any, pid: int, length: int, *, in_line: bool) -> Values:
    lines = LEAST_RUNS // length
    before = Usage.read(server)
    worker_watch, producer_cpu = Stopwatch(lambda: cpu_seconds(pid)), 0.0
    for _ in range(lines):
        producer = Stopwatch()
        enqueued = asyncio.run(_enqueue(length, in_line=in_line))
        producer_cpu += producer.cpu
        wait_all(enqueued)
    runs = lines * length
    return {
        "line.enqueue_cpu": producer_cpu / runs * 1000,
        "line.worker_cpu": worker_watch.cpu / runs * 1000,
        "line.redis_cpu": Usage.read(server).since(before).cpu_us / runs,
        "line.seconds": worker_watch.seconds / runs * 1000,
    }


async def _enqueue(runs: int, *, in_line: bool) -> list[Run]:
    ai, thread = Assistant(name="bench"), Thread()
    threads = [thread if in_line else Thread() for _ in range(runs)]
    return await asyncio.gather(
        *(ai.enqueue_async(MESSAGE, thread=one, truncation_strategy=LAST) for one in threads)
    )
