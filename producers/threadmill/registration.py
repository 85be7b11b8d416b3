"""Whether an assistant is registered, and by whom: the state behind `create`, `delete` and `with`.

All of it happens on the bridge, one step at a time. So threads and tasks that enter and leave the
same assistant at once need no lock.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from threadmill_shared import errors
from threadmill_shared.definition import Definition
from threadmill_shared.registry import Registry


class Registered(Protocol):
    """What has an id while it is registered."""

    id: str | None

    def note_registered(self, definition: Definition | None) -> None:
        """Take over id and version of what was registered; None: nothing is any more."""
        ...


class Registration:
    """The registration of one assistant."""

    def __init__(self) -> None:
        self._depth = 0
        self._creating: asyncio.Task[None] | None = None
        self._entered_id: str | None = None
        """What the outermost `with` has registered, and removes."""

    async def create(self, assistant: Registered, new: Definition, registry: Registry) -> None:
        """Register the assistant.

        Raises:
            LifecycleError: it has an id already.
        """
        if assistant.id is not None:
            raise errors.LifecycleError(
                f"This assistant was created before; its id is {assistant.id}. Delete it first."
            )
        assistant.note_registered(new)
        try:
            await registry.create(new)
        except BaseException:
            assistant.note_registered(None)
            raise

    async def delete(self, assistant: Registered, registry: Registry) -> None:
        """Remove what is registered; where that fails it stays as it is."""
        if assistant.id is not None:
            await registry.delete(assistant.id)
            assistant.note_registered(None)

    async def enter(self, assistant: Registered, new: Definition, registry: Registry) -> None:
        """Register the assistant at the outermost entry; whoever enters meanwhile waits for it."""
        self._depth += 1
        if self._depth == 1 and assistant.id is None:
            self._creating = asyncio.ensure_future(self.create(assistant, new, registry))
            self._entered_id = new.id
        try:
            if self._creating is not None:
                # One of those who wait may be cancelled; the others still need it.
                await asyncio.shield(self._creating)
        except BaseException:
            await self.exit(assistant, registry)  # who could not enter does not leave either
            raise

    async def exit(self, assistant: Registered, registry: Registry) -> None:
        """Remove at the outermost exit what was registered at the entry."""
        self._depth -= 1
        if self._depth > 0:
            return
        creating, entered_id = self._creating, self._entered_id
        self._creating = self._entered_id = None
        if creating is not None:
            await asyncio.gather(creating, return_exceptions=True)
        if entered_id is not None and assistant.id == entered_id:
            assistant.note_registered(None)
            await registry.delete(entered_id)
