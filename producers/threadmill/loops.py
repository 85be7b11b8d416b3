"""An event loop for users' coroutines, where a caller has none."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def run_on_own_loop(work: Awaitable[T]) -> T:
    """Run it to its end on a new loop: in this thread, or beside it where a loop runs here already.

    Ctrl-C cancels the work, and is raised when that has ended.
    """
    # Made by a factory the loop stays ours: it does not become what `get_event_loop` returns.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return runner.run(_awaited(work))
        return _run_beside(runner, work)


def _run_beside(runner: asyncio.Runner, work: Awaitable[T]) -> T:
    loop = runner.get_loop()
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1, "threadmill-hooks") as pool:
        future = pool.submit(context.run, runner.run, _awaited(work))
        try:
            return future.result()
        except KeyboardInterrupt:
            loop.call_soon_threadsafe(_cancel_all, loop)
            raise


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


async def _awaited(work: Awaitable[T]) -> T:
    return await work
