"""An event loop for users' coroutines, if their caller has none."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable
from concurrent.futures import Future
from typing import TypeVar

from threadmill.client.awaited import SyncOrAsync

T = TypeVar("T")


def on_loop(work: Awaitable[T]) -> SyncOrAsync[T]:
    """A user's coroutine: it is awaited on the caller's loop, or on one that is made for it."""
    return SyncOrAsync(lambda: run_on_own_loop(work), lambda: work)


def run_on_own_loop(work: Awaitable[T]) -> T:
    """Run it to its end on a new loop: in this thread, or in another if a loop runs here.

    Ctrl-C cancels the work, and is raised when that has ended.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(work, Future())
    return _run_beside(work)


def _run_beside(work: Awaitable[T]) -> T:
    # Imported only now: it cannot be imported when Python ends, and a user may say something then.
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    known: Future[asyncio.AbstractEventLoop] = Future()
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1, "threadmill-hooks") as pool:
        result = pool.submit(context.run, _run, work, known)
        try:
            return result.result()
        except KeyboardInterrupt:
            loop = known.result()
            with contextlib.suppress(RuntimeError):  # it has just ended
                loop.call_soon_threadsafe(_cancel_all, loop)
            raise


def _run(work: Awaitable[T], known: Future[asyncio.AbstractEventLoop]) -> T:
    # Made by a factory the loop stays ours: it does not become what `get_event_loop` returns.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        known.set_result(runner.get_loop())
        return runner.run(_awaited(work))


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


async def _awaited(work: Awaitable[T]) -> T:
    return await work
