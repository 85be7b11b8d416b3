"""What the number of stored threads costs a new run."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from harness.cpu import Stopwatch, cpu_seconds
from harness.effort import Effort
from harness.load import enqueue_all, wait_all
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate
from harness.store import Usage, emptied
from harness.workers import worker

from threadmill import Thread

FIGURES = (
    Figure("threads.enqueue_cpu", "enqueue_async, CPU of the producer", "ms"),
    Figure("threads.worker_cpu", "short run, CPU of the worker", "ms"),
    Figure("threads.redis_cpu", "short run, CPU of Redis", "µs"),
    Figure("threads.memory", "a thread with two messages, memory of Redis", "KB"),
)
THREADS = (100, 1000, 10_000)
AT_ONCE = 200


def measure(effort: Effort) -> list[Result]:
    """Measure with each number of threads, which are made first."""
    server = emptied()
    found: list[Result] = []
    stored = 0
    with worker() as process:
        for threads in effort.points(THREADS):
            memory = _store(server, threads - stored)
            stored = threads
            contender = partial(_values, server, process.pid, effort.runs)
            rounds = alternate(effort.limited(rounds=2), {"threadmill": contender})
            for values in rounds["threadmill"]:
                values["threads.memory"] = memory
            found += results(FIGURES, rounds, over="threads", at=threads)
    return found


def _store(server: Any, threads: int) -> float:
    """Store so many; returns kilobytes for each."""
    before = Usage.read(server)
    for begun in range(0, threads, AT_ONCE):
        asyncio.run(_create(min(AT_ONCE, threads - begun)))
    return Usage.read(server).since(before).memory_bytes / threads / 1000


async def _create(threads: int) -> None:
    texts = ["How is the weather in the capital of France?"] * 2
    await asyncio.gather(*(Thread().create_async(texts) for _ in range(threads)))


def _values(server: Any, pid: int, runs: int) -> Values:
    before = Usage.read(server)
    worker_watch, producer = Stopwatch(lambda: cpu_seconds(pid)), Stopwatch()
    enqueued = enqueue_all(runs, "tokens=5 delay=0.02")
    producer_cpu = producer.cpu
    wait_all(enqueued)
    return {
        "threads.enqueue_cpu": producer_cpu / runs * 1000,
        "threads.worker_cpu": worker_watch.cpu / runs * 1000,
        "threads.redis_cpu": Usage.read(server).since(before).cpu_us / runs,
    }
