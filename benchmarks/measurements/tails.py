"""What it costs a process to follow one run 500 times, beside bare XREADs of the same log."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import redis.asyncio
from harness.cpu import Stopwatch
from harness.effort import Effort
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate
from harness.store import connected, emptied
from harness.workers import worker

from threadmill import Assistant, Run

PEER = "bare XREAD"
FIGURES = (Figure("tails.cpu", "500 tails of one run, CPU per event delivered", "µs", (PEER,)),)
TAILS = 500
TOKENS = 100
MESSAGE = f"tokens={TOKENS} delay=0.05"
BLOCK_MS = 1000

Tail = Callable[[Run], Coroutine[Any, Any, None]]


def measure(effort: Effort) -> list[Result]:
    """Measure; both are divided by the number of events that the log has."""
    emptied()
    with worker():
        contenders = {
            "threadmill": lambda: asyncio.run(_follow(_events)),
            PEER: lambda: asyncio.run(_bare()),
        }
        return results(FIGURES, alternate(effort.limited(rounds=2), contenders))


async def _follow(tail: Tail) -> Values:
    run = await Assistant(name="bench").enqueue_async(MESSAGE)
    watch = Stopwatch()
    await asyncio.gather(*(tail(run) for _ in range(TAILS)))
    events = int(connected().hget(_key("run", run), "events"))
    return {"tails.cpu": watch.cpu / TAILS / events * 1e6}


async def _events(run: Run) -> None:
    async for _ in run.events_async():
        pass


async def _bare() -> Values:
    url = os.environ["THREADMILL_REDIS_URL"]
    client = redis.asyncio.Redis.from_url(url, max_connections=TAILS + 1)
    try:
        return await _follow(partial(_read, client))
    finally:
        await client.aclose()


async def _read(client: Any, run: Run) -> None:
    last, has_ended = b"0", False
    while True:
        found = await client.xread({_key("log", run): last}, block=BLOCK_MS)
        if found:
            last = found[0][1][-1][0]
        elif has_ended:
            return
        else:
            has_ended = await client.hexists(_key("run", run), "ended_at")


def _key(kind: str, run: Run) -> str:
    return f"threadmill:{{{run.id[4:6]}}}:{kind}:{run.id}"
