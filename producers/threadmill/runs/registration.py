"""Whether an assistant is registered, and by whom: the state behind `create`, `delete` and `with`.

All of it happens on the bridge, one step at a time. So threads and tasks that enter and leave the
same assistant at once need no lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from threadmill_shared import errors, ids

if TYPE_CHECKING:
    from threadmill_shared.records.definition import Definition
    from threadmill_shared.store.assistants import Assistants


class Registered(Protocol):
    """What has an id while it is registered."""

    id: str | None
    name: str


@dataclass(frozen=True)
class Registrant:
    """An assistant, as its registration sees it."""

    assistant: Registered
    note: Callable[[Definition | None], None]
    """Takes over id and version of what was registered; None: nothing is any more."""
    assistants: Assistants
    """Where it is registered."""

    @property
    def id(self) -> str | None:
        """The assistant's id now."""
        return self.assistant.id


_closings: set[asyncio.Task[None]] = set()
"""Under way; the loop itself would not keep one whose caller was cancelled."""


class Entry:
    """One entry of a `with`."""


class Registration:
    """The registration of one assistant."""

    def __init__(self) -> None:
        self._entries: set[Entry] = set()
        self._creating: asyncio.Task[None] | None = None
        self._entered_id: str | None = None
        """What the outermost `with` has registered, and removes."""

    async def create(self, registrant: Registrant, new: Definition) -> None:
        """Register the assistant.

        Raises:
            LifecycleError: it has an id already.
        """
        if registrant.id is not None:
            raise errors.LifecycleError(
                f"This assistant was created before; its id is {registrant.id}. Delete it first."
            )
        registrant.note(new)
        try:
            registrant.note(await registrant.assistants.create(new))
        except BaseException:
            registrant.note(None)
            raise

    async def delete(self, registrant: Registrant) -> None:
        """Remove what is registered; if that fails, it stays as it is."""
        if registrant.id is not None:
            await registrant.assistants.delete(registrant.id)
            registrant.note(None)

    async def enter(self, entry: Entry, registrant: Registrant, new: Definition) -> None:
        """Register the assistant at the outermost entry; other entries wait for it.

        Every entry calls `exit` in any case: it may be cancelled after it has entered.
        """
        self._entries.add(entry)
        if len(self._entries) == 1 and registrant.id is None:
            self._creating = asyncio.ensure_future(self.create(registrant, new))
            self._entered_id = new.id
        if self._creating is not None:
            # One of those who wait may be cancelled; the others still need it.
            await asyncio.shield(self._creating)

    async def exit(self, entry: Entry, registrant: Registrant) -> None:
        """Remove at the outermost exit what the entry registered; a second call does nothing."""
        if entry not in self._entries:
            return
        self._entries.remove(entry)
        if not self._entries:
            creating, entered_id = self._creating, self._entered_id
            self._creating = self._entered_id = None
            closing = asyncio.ensure_future(_close(creating, entered_id, registrant))
            _closings.add(closing)
            closing.add_done_callback(_closings.discard)
            await asyncio.shield(closing)


async def _close(
    creating: asyncio.Task[None] | None,
    entered_id: str | None,
    registrant: Registrant,
) -> None:
    if creating is not None:
        await asyncio.gather(creating, return_exceptions=True)
    if entered_id is not None and registrant.id == entered_id:
        registrant.note(None)
        await registrant.assistants.delete(entered_id)


def fields_of(found: Definition, known: Collection[str]) -> dict[str, Any]:
    """An assistant's fields as they were registered.

    Args:
        found: what was registered.
        known: the fields of the assistant's class; others of a subclass are left out.
    """
    fields: dict[str, Any] = found.known()
    for name in ("fields", "tools", "hosted", "version", "instructions_text"):
        fields.pop(name, None)
    fields["name"] = found.name or found.id  # the Assistants API allows an empty one
    fields |= {"instructions": found.given_instructions(), "tools": [*found.tools, *found.hosted]}
    return fields | {name: value for name, value in found.fields.items() if name in known}


def refuse_unregistered(assistant: Registered, what: str) -> None:
    """Reject changes of what was not created, or what only its module can change.

    Raises:
        LifecycleError: it has no id, or is published by workers.
    """
    if assistant.id is None:
        raise errors.LifecycleError(
            "This assistant has no id: it was not created. Call create() first."
        )
    if assistant.id == ids.named_assistant_id(assistant.name):
        raise errors.LifecycleError(
            f"{assistant.name!r} is published by the workers that load its module, so it is not "
            f"{what} here: change the module."
        )
