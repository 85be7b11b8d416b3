"""`with` and `async with` for objects that operations enter and exit."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from threadmill.client.operations import drive, drive_async


class ContextManager:
    """Can be entered again inside; subclasses define what entering and leaving do."""

    async def _enter(self) -> Self:
        raise NotImplementedError

    async def _exit(self, error: BaseException | None) -> None:
        """Leave the block, because of `error` if it was left by one."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Enter the block; leaving the outermost one undoes what entering it has done."""
        return drive(self._enter())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        drive(self._exit(error))

    async def __aenter__(self) -> Self:
        return await drive_async(self._enter())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await drive_async(self._exit(error))
