"""What an operation awaits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class BridgeCall(Generic[T]):
    """Work that is under way on the bridge; `await` it inside an operation."""

    def __init__(self, future: Future[T]) -> None:
        self.future = future

    def __await__(self) -> Generator[Future[T], T, T]:
        return (yield self.future)


class SyncOrAsync(Generic[T]):
    """Work on the caller's side that has two ways; `await` it inside an operation."""

    def __init__(self, blocking: Callable[[], T], awaited: Callable[[], Awaitable[T]]) -> None:
        """A blocking caller calls the one, an event loop awaits what the other returns."""
        self.blocking = blocking
        self.awaited = awaited

    def __await__(self) -> Generator[SyncOrAsync[T], T, T]:
        return (yield self)
