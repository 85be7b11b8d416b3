"""Memory of a worker for each run that waits for its model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from harness.cpu import memory_mb
from harness.effort import Effort
from harness.load import enqueue_all
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate
from harness.store import emptied
from harness.waiting import wait_until
from harness.workers import plain_worker, worker

from threadmill import Run

PEER = "Celery, threads"
FIGURES = (Figure("memory.run", "memory of the worker, per run in flight", "KB", (PEER,)),)
MESSAGE = "tokens=2 delay=60"
FIRST = 100
"""Runs that are in flight before; what they need once is not counted."""
SETTLED_SECONDS = 1.0
"""From the first token of the last run until nothing more is allocated."""


def measure(effort: Effort) -> list[Result]:
    """Measure with as many runs in flight as the effort says, and 100 more."""
    runs = max(100, effort.runs)
    contenders = {"threadmill": partial(_ours, runs), PEER: partial(_plain, runs)}
    return results(FIGURES, alternate(effort.limited(rounds=2), contenders))


def _ours(runs: int) -> Values:
    emptied()
    with worker(FIRST + runs) as process:

        def begin(count: int) -> None:
            asyncio.run(_wait_for_tokens(enqueue_all(count, MESSAGE)))

        return _growth(process.pid, begin, runs)


def _plain(runs: int) -> Values:
    from processes.plain_task import answer  # noqa: PLC0415  it reads the environment

    server = emptied()
    with plain_worker("threads", FIRST + runs) as process:

        def begin(count: int) -> None:
            before = _streams(server)
            for number in range(count):
                answer.delay(f"{before}-{number}", MESSAGE)
            wait_until(lambda: _streams(server) == before + count, "first tokens")

        return _growth(process.pid, begin, runs)


def _streams(server: Any) -> int:
    return sum(1 for _ in server.scan_iter("plain:*", _type="stream"))


async def _wait_for_tokens(runs: list[Run]) -> None:
    await asyncio.gather(*map(_wait_for_token, runs))


async def _wait_for_token(run: Run) -> None:
    async for event in run.events_async():
        if event.event == "thread.message.delta":
            return


def _growth(pid: int, begin: Callable[[int], None], runs: int) -> Values:
    settled = []
    for count in (FIRST, runs):
        begin(count)
        time.sleep(SETTLED_SECONDS)
        settled.append(memory_mb(pid))
    return {"memory.run": (settled[1] - settled[0]) / runs * 1000}
