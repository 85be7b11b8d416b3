"""Waking those who wait on an event loop, from another thread: all that are due, with one call.

`call_soon_threadsafe` writes to a socket each time, and the thread that reads it competes for the
interpreter at once. Five hundred tails of one run, which the same event wakes, need one call.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from weakref import WeakKeyDictionary, ref

_due: WeakKeyDictionary[asyncio.AbstractEventLoop, ref[_Due]] = WeakKeyDictionary()
"""Each is kept by the call that its loop has to make: a loop that is closed is kept by nobody."""


def settle_soon(loop: asyncio.AbstractEventLoop, waiting: asyncio.Future[None]) -> None:
    """Give a future of this loop its result, unless it has one by then, or the loop is closed."""
    known = _due.get(loop)
    due = None if known is None else known()
    if due is None:
        due = _Due()
        _due[loop] = ref(due)
    due.add(loop, waiting)


class _Due:
    """What is to be settled on one loop."""

    def __init__(self) -> None:
        self._futures: deque[asyncio.Future[None]] = deque()
        self._is_called = False

    def add(self, loop: asyncio.AbstractEventLoop, waiting: asyncio.Future[None]) -> None:
        self._futures.append(waiting)
        if not self._is_called:
            self._is_called = True
            with contextlib.suppress(RuntimeError):  # it is closed: nobody waits there any more
                loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._is_called = False  # before anything is taken: what comes from now on calls again
        while self._futures:
            waiting = self._futures.popleft()
            if not waiting.done():
                waiting.set_result(None)
