"""Runs operations to their end: in a thread that waits, or on an event loop."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, TypeVar

from threadmill.client.awaited import SyncOrAsync
from threadmill.client.first_use import import_client
from threadmill_shared.tools import NoCurrentCall, current_call

T = TypeVar("T")

_callers_loop: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar(
    "threadmill_callers_loop", default=None
)


def callers_loop() -> asyncio.AbstractEventLoop | None:
    """Inside an operation, the event loop that awaits it; None if a thread waits for it."""
    return _callers_loop.get()


def drive_blocking(operation: Coroutine[Any, Any, T]) -> T:
    """Run an operation to its end in this thread, as `operations.drive` does.

    Raises:
        RuntimeError: this is an async tool; it would stop the loop that its own run needs.
    """
    _refuse_on_a_tools_loop(operation)
    return drive_briefly(operation)


def drive_briefly(operation: Coroutine[Any, Any, T]) -> T:
    """Run an operation that waits for no run, so that it may also block a tool's loop."""
    token = _callers_loop.set(None)
    step: Callable[[], Any] = functools.partial(operation.send, None)
    try:
        while True:
            try:
                work = step()
            except StopIteration as stop:
                result: T = stop.value
                return result
            try:
                found = work.blocking() if isinstance(work, SyncOrAsync) else work.result()
                step = functools.partial(operation.send, found)
            except BaseException as error:  # noqa: BLE001  Ctrl-C too: the operation decides
                if isinstance(work, Future):
                    work.cancel()
                step = functools.partial(operation.throw, error)
    finally:
        _callers_loop.reset(token)


def _refuse_on_a_tools_loop(operation: Coroutine[Any, Any, Any]) -> None:
    try:
        asyncio.get_running_loop()
        call = current_call()
    except (RuntimeError, NoCurrentCall):
        return
    operation.close()
    raise RuntimeError(
        f"An async tool (of {call.run_id}) must not block: await the _async version of this call."
    )


async def drive_awaited(operation: Coroutine[Any, Any, T]) -> T:
    """Run an operation to its end on the running event loop, as `operations.drive_async` does."""
    try:
        await import_client()
    except BaseException:
        operation.close()
        raise
    return await _drive_on_loop(operation)


async def _drive_on_loop(operation: Coroutine[Any, Any, T]) -> T:
    token = _callers_loop.set(asyncio.get_running_loop())
    step: Callable[[], Any] = functools.partial(operation.send, None)
    try:
        while True:
            try:
                work = step()
            except StopIteration as stop:
                result: T = stop.value
                return result
            awaited = work.awaited() if isinstance(work, SyncOrAsync) else asyncio.wrap_future(work)
            try:
                step = functools.partial(operation.send, await awaited)
            except BaseException as error:  # noqa: BLE001  a cancelled task too: it cleans up
                step = functools.partial(operation.throw, error)
    finally:
        _callers_loop.reset(token)
