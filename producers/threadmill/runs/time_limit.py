"""The time that a wait may take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

CANCEL_SECONDS = 0.1
"""How long cancelled work has to end before it is cancelled again."""
GRACE_SECONDS = 0.5
"""How long a wait that has timed out may still take to read the run."""


class TimeLimit:
    """The time that a wait may take."""

    def __init__(self, timeout: float | None) -> None:
        """From now on `timeout` seconds; None: without a limit."""
        self._until = None if timeout is None else time.monotonic() + timeout

    def left(self, least: float = 0) -> float | None:
        """Seconds that are left, `least` at least; None: no limit."""
        return None if self._until is None else max(self._until - time.monotonic(), least)


async def within(timeout: float | None, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of the work, or a TimeoutError as soon as its time is over."""
    if timeout is None:
        return await work()
    task = asyncio.ensure_future(work())
    try:
        await asyncio.wait([task], timeout=timeout)
        if task.done():
            return task.result()
        raise TimeoutError
    finally:
        # Before Python 3.12 `asyncio.wait_for`, which redis-py uses, may swallow a cancellation.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_SECONDS)
