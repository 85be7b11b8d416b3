"""Every operation is written once, and called in two ways: blocking, or awaited.

An operation is a coroutine that runs on the caller's side, and awaits only *bridge calls*: work
that is done on the process's bridge (see `threadmill.client.bridge`). A blocking caller waits for a
bridge call, an event loop awaits it. So both ways have one body and one signature, neither starts
an event loop of its own, and neither minds one that is running. What the two must do differently on
the caller's side, users' coroutines for one, is a `SyncOrAsync`.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, Generic, ParamSpec, TypeVar

from threadmill.client.caller_errors import without_our_frames
from threadmill.client.user_loop import run_on_own_loop
from threadmill_shared.errors import ThreadmillError
from threadmill_shared.tools import NoCurrentCall, current_call

P = ParamSpec("P")
T = TypeVar("T")


class BridgeCall(Generic[T]):
    """Work that is under way on the bridge; `await` it inside an operation."""

    def __init__(self, future: Future[T]) -> None:
        self.future = future

    def __await__(self) -> Generator[Future[T], T, T]:
        return (yield self.future)


_callers_loop: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar(
    "threadmill_callers_loop", default=None
)


def callers_loop() -> asyncio.AbstractEventLoop | None:
    """Inside an operation, the event loop that awaits it; None if a thread waits for it."""
    return _callers_loop.get()


class SyncOrAsync(Generic[T]):
    """Work on the caller's side that has two ways; `await` it inside an operation."""

    def __init__(self, blocking: Callable[[], T], awaited: Callable[[], Awaitable[T]]) -> None:
        """A blocking caller calls the one, an event loop awaits what the other returns."""
        self.blocking = blocking
        self.awaited = awaited

    def __await__(self) -> Generator[SyncOrAsync[T], T, T]:
        return (yield self)


def on_loop(work: Awaitable[T]) -> SyncOrAsync[T]:
    """A user's coroutine: it is awaited on the caller's loop, or on one that is made for it."""
    return SyncOrAsync(lambda: run_on_own_loop(work), lambda: work)


def drive(operation: Coroutine[Any, Any, T]) -> T:
    """Run an operation to its end in this thread, waiting for each bridge call.

    Raises:
        RuntimeError: this is an async tool; it would stop the loop that its own run needs.
    """
    _refuse_on_a_tools_loop(operation)
    try:
        return drive_briefly(operation)
    except ThreadmillError as error:
        raised = without_our_frames(error)
    raise raised


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


async def drive_async(operation: Coroutine[Any, Any, T]) -> T:
    """Run an operation to its end, awaiting each bridge call on the running event loop."""
    try:
        return await _drive_on_loop(operation)
    except ThreadmillError as error:
        raised = without_our_frames(error)
    raise raised


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


def blocking(operation: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """The way of calling an operation that waits for it."""

    @functools.wraps(operation)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return drive(operation(*args, **kwargs))

    call.__name__ = operation.__name__.lstrip("_")
    call.__qualname__ = operation.__qualname__.replace("._", ".")
    return call


def awaitable(
    operation: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """The way of calling an operation that is awaited."""

    @functools.wraps(operation)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return await drive_async(operation(*args, **kwargs))

    name = operation.__name__.lstrip("_")
    call.__name__ = f"{name}_async"
    call.__qualname__ = operation.__qualname__.replace("._", ".") + "_async"
    call.__doc__ = f"Async version of `{name}`."
    return call
