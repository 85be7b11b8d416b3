"""Whether an assistant is registered, and by whom: the state behind `create`, `delete` and `with`.

All of it happens on the bridge, one step at a time. So threads and tasks that enter and leave the
same assistant at once need no lock.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from threadmill_shared import errors
from threadmill_shared.records.definition import Definition
from threadmill_shared.store.assistants import Assistants


class Registered(Protocol):
    """What has an id while it is registered."""

    id: str | None

    def note_registered(self, definition: Definition | None) -> None:
        """Take over id and version of what was registered; None: nothing is any more."""
        ...


_closings: set[asyncio.Task[None]] = set()
"""Under way; the loop itself would not keep one whose caller was cancelled."""


class Entered:
    """One entry of a `with`."""


class Registration:
    """The registration of one assistant."""

    def __init__(self) -> None:
        self._entries: set[Entered] = set()
        self._creating: asyncio.Task[None] | None = None
        self._entered_id: str | None = None
        """What the outermost `with` has registered, and removes."""

    async def create(self, assistant: Registered, new: Definition, assistants: Assistants) -> None:
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
            await assistants.create(new)
        except BaseException:
            assistant.note_registered(None)
            raise

    async def delete(self, assistant: Registered, assistants: Assistants) -> None:
        """Remove what is registered; where that fails it stays as it is."""
        if assistant.id is not None:
            await assistants.delete(assistant.id)
            assistant.note_registered(None)

    async def enter(
        self, entry: Entered, assistant: Registered, new: Definition, assistants: Assistants
    ) -> None:
        """Register the assistant at the outermost entry; whoever enters meanwhile waits for it.

        Whoever enters calls `exit` in any case: it may be cancelled when it has entered already.
        """
        self._entries.add(entry)
        if len(self._entries) == 1 and assistant.id is None:
            self._creating = asyncio.ensure_future(self.create(assistant, new, assistants))
            self._entered_id = new.id
        if self._creating is not None:
            # One of those who wait may be cancelled; the others still need it.
            await asyncio.shield(self._creating)

    async def exit(self, entry: Entered, assistant: Registered, assistants: Assistants) -> None:
        """Remove at the outermost exit what was registered at the entry; again it does nothing."""
        if entry not in self._entries:
            return
        self._entries.remove(entry)
        if not self._entries:
            creating, entered_id = self._creating, self._entered_id
            self._creating = self._entered_id = None
            closing = asyncio.ensure_future(_close(creating, entered_id, assistant, assistants))
            _closings.add(closing)
            closing.add_done_callback(_closings.discard)
            await asyncio.shield(closing)


async def _close(
    creating: asyncio.Task[None] | None,
    entered_id: str | None,
    assistant: Registered,
    assistants: Assistants,
) -> None:
    if creating is not None:
        await asyncio.gather(creating, return_exceptions=True)
    if entered_id is not None and assistant.id == entered_id:
        assistant.note_registered(None)
        await assistants.delete(entered_id)
