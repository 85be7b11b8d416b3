"""Ending tasks that work for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 0.1


async def cancel_all(
    tasks: Iterable[asyncio.Future[Any]], *, again_after: float | None = AGAIN_SECONDS
) -> None:
    """Cancel tasks, and wait until they have ended.

    On Python 3.11 `asyncio.wait_for`, with which redis-py sends, may swallow a cancellation. A task
    that continues because of this is cancelled again after some seconds; otherwise its end would be
    awaited forever. None: only once, for tasks that may have to clean up.
    """
    pending = list(tasks)
    while pending := [task for task in pending if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=again_after)


async def cancel_others(seconds: float, *, again_after: float | None = AGAIN_SECONDS) -> None:
    """Cancel all tasks of this event loop but the own one, and wait for their ends for so long.

    Connections are closed after that: whoever still asked for something would open them again.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                await cancel_all(tasks, again_after=again_after)
