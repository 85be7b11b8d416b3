"""Ending tasks that work for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


async def cancel_all(tasks: Iterable[asyncio.Future[Any]], *, again_after: float = 0.1) -> None:
    """Cancel tasks, and wait until they have ended.

    On Python 3.11 `asyncio.wait_for`, with which redis-py sends, may swallow a cancellation. A task
    that goes on for it is cancelled again after some seconds; else whoever waits for its end would
    wait for ever.
    """
    pending = list(tasks)
    while pending := [task for task in pending if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=again_after)


async def cancel_others() -> None:
    """Cancel all tasks of this event loop but the own one, and wait until they have ended.

    Connections are closed after that: whoever still asked for something would open them again.
    """
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        await cancel_all(tasks, again_after=0.3)  # some have something to do at their end
