"""One event loop per process, in a thread of its own, for everything that this package awaits.

Connections belong to an event loop. Users have none, one, or a new one per request; so ours has its
own, and every call is executed on it. It starts at the first use, and again after a fork, and ends
when the process ends.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from threadmill.client.awaited import BridgeCall
from threadmill_shared.cancellation import AGAIN_SECONDS, cancel_others

T = TypeVar("T")

_CANCEL_SECONDS = 3.0
_CLOSE_SECONDS = 6.0
"""For all of it: what was cancelled ends, connections are closed."""
_CLOSED = "The connections of this handle are closed. Load it again."


class BridgeClosed(RuntimeError):
    """The bridge was closed: the process ends, or its client was closed."""


class Bridge:
    """A thread that runs an event loop."""

    def __init__(self, name: str = "threadmill-bridge", *, is_patient: bool = False) -> None:
        """Start a thread; a patient one gives cancelled work time to clean up at its end."""
        self._again_after = None if is_patient else AGAIN_SECONDS
        self._loop = asyncio.new_event_loop()
        self._generators: WeakKeyDictionary[AsyncGenerator[Any, Any], None] = WeakKeyDictionary()
        self._first: Callable[[], Awaitable[None]] | None = None
        self._is_closed = False
        # Reentrant: inside of it a collected generator may want to make a call.
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        atexit.register(self.close)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Its event loop."""
        return self._loop

    def call(self, work: Coroutine[Any, Any, T]) -> BridgeCall[T]:
        """Start work on the bridge; await the result inside an operation.

        Raises:
            BridgeClosed: it was closed, or belongs to the process that this one was forked from.
                The result is this error, too, if it is closed before the work is done.
        """
        if self._thread.is_alive():  # asked before the lock, which a fork may have left taken
            with self._lock:
                if not self._is_closed:
                    future: Future[T] = Future()
                    self._loop.call_soon_threadsafe(self._begin, work, future)
                    return BridgeCall(future)
        work.close()
        raise BridgeClosed(_CLOSED)

    def check_open(self) -> None:
        """Raise what a call would, if no call can be made.

        Raises:
            BridgeClosed: it was closed, or belongs to the process that this one was forked from.
        """
        if self._is_closed or not self._thread.is_alive():
            raise BridgeClosed(_CLOSED)

    def do_first_at_the_end(self, act: Callable[[], Awaitable[None]]) -> None:
        """Have its loop await this when it is closed, before the work in progress is cancelled."""
        self._first = act

    def call_soon(self, act: Callable[[], object]) -> None:
        """Have its loop do something; not if it is closed."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(act)

    # What asyncio.run_coroutine_threadsafe does for any two futures takes half as long for these.

    def _begin(self, work: Coroutine[Any, Any, T], future: Future[T]) -> None:
        if future.cancelled():
            work.close()
            return
        task = self._loop.create_task(work)
        task.add_done_callback(partial(self._settle, future))
        future.add_done_callback(partial(self._cancel_with, task))

    def _cancel_with(self, task: asyncio.Task[T], future: Future[T]) -> None:
        """Whoever waits for the work no more gives it up; called in that thread."""
        if future.cancelled():
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the work with it
                self._loop.call_soon_threadsafe(task.cancel)

    def _settle(self, future: Future[T], task: asyncio.Task[T]) -> None:
        error = BridgeClosed(_CLOSED) if task.cancelled() else task.exception()
        if task.cancelled() and not self._is_closed:
            future.cancel()
        if not future.set_running_or_notify_cancel():
            return
        if error is None:
            future.set_result(task.result())
        else:
            future.set_exception(error)

    def close(self, last: Callable[[], Awaitable[None]] | None = None) -> None:
        """Cancel the work in progress, do the `last` work, and end the thread."""
        atexit.unregister(self.close)
        if not self._thread.is_alive():
            return
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                asyncio.run_coroutine_threadsafe(self._unwind(last), self._loop)
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(self._note_generators)
        self._loop.run_forever()
        self._loop.close()

    def _note_generators(self) -> None:
        """Note the loop's async generators as they begin: those that iterate over others first."""
        begins = sys.get_asyncgen_hooks().firstiter

        def note(generator: AsyncGenerator[Any, Any]) -> None:
            self._generators[generator] = None
            if begins is not None:
                begins(generator)

        sys.set_asyncgen_hooks(firstiter=note)

    async def _unwind(self, last: Callable[[], Awaitable[None]] | None) -> None:
        await _attempt(self._first)
        await cancel_others(_CANCEL_SECONDS, again_after=self._again_after)
        # Only now, and in order: what somebody iterates over cannot be closed. The loop's own
        # `shutdown_asyncgens` would close all at once.
        for generator in list(self._generators):
            with contextlib.suppress(Exception):
                await generator.aclose()
        await _attempt(last)
        await asyncio.sleep(0)  # callers of work that has ended in this turn get its result yet
        self._loop.stop()


async def _attempt(act: Callable[[], Awaitable[None]] | None) -> None:
    if act is not None:
        with contextlib.suppress(Exception):
            await act()
