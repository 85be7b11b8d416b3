"""Ending tasks that work for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 0.1


async def cancel_all(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel tasks, and wait until they have ended.

    On Python 3.11 `asyncio.wait_for`, with which redis-py sends, may swallow a cancellation. A task
    that goes on for it is cancelled again; else whoever waits for its end would wait for ever.
    """
    pending = list(tasks)
    while pending := [task for task in pending if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=AGAIN_SECONDS)
