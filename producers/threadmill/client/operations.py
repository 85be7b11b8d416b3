"""Every operation is written once, and called in two ways: blocking, or awaited.

An operation is a coroutine that runs on the caller's side, and awaits only *bridge calls*: work
that is done on the process's bridge (see `threadmill.client.bridge`). A blocking caller waits for a
bridge call, an event loop awaits it. So both ways have one body and one signature, neither starts
an event loop of its own, and neither minds one that is running. What the two must do differently on
the caller's side, users' coroutines for one, is a `SyncOrAsync`.

Here is how an operation is made callable; `driving`, which needs asyncio, runs it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from threadmill import client
from threadmill_shared.errors import ThreadmillError

P = ParamSpec("P")
T = TypeVar("T")


def drive(operation: Coroutine[Any, Any, T]) -> T:
    """Run an operation to its end in this thread, waiting for each bridge call.

    Raises:
        RuntimeError: this is an async tool; it would stop the loop that its own run needs.
    """
    try:
        return client.driving.drive_blocking(operation)
    except ThreadmillError as error:
        raised = client.caller_errors.without_our_frames(error)
    raise raised


async def drive_async(operation: Coroutine[Any, Any, T]) -> T:
    """Run an operation to its end, awaiting each bridge call on the running event loop."""
    try:
        return await client.driving.drive_awaited(operation)
    except ThreadmillError as error:
        raised = client.caller_errors.without_our_frames(error)
    raise raised


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
