"""A message of a thread as it is stored, not interpreted yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic_core import from_json

from threadmill_shared import records
from threadmill_shared.records.messages import MessageNote
from threadmill_shared.stored import reading

if TYPE_CHECKING:
    from threadmill_shared.records.objects import Message


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """What Redis has of a message."""

    item: str
    """JSON."""
    at: int
    """When it was added to its thread, in milliseconds since the epoch."""
    note: MessageNote | None = None
    """What is kept beside it."""

    def read(self, thread_id: str) -> Message:
        """The message.

        Raises:
            StoreIncompatible: this release cannot read it.
        """
        item = from_json(self.item)
        with reading(item["id"]):
            message = records.objects.Message.read(thread_id, item, self.at)
        return message if self.note is None else message.with_note(self.note)
