"""Reads messages: from a thread's items, with what is kept beside them, or from a run's log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json

from threadmill_shared import ids
from threadmill_shared.records.items import MessageItem
from threadmill_shared.records.messages import assistant_message
from threadmill_shared.records.objects import Message
from threadmill_shared.records.run import HELD, RunRecord, field_map
from threadmill_shared.store.files import Files
from threadmill_shared.store.logs import Logs
from threadmill_shared.store.replies import message_not_found
from threadmill_shared.store.session import Session
from threadmill_shared.stored import reading


class MessageReader:
    """The messages of one namespace's threads."""

    def __init__(self, session: Session, files: Files, logs: Logs) -> None:
        self._keys = session.keys
        self._runner = session.runner
        self._files = files
        self._logs = logs

    async def at(self, thread_id: str, positions: Sequence[int]) -> list[Message]:
        """The messages at these positions; those that were deleted meanwhile are left out."""
        commands = [("XRANGE", self._keys.items(thread_id), at, at) for at in positions]
        pages = await self._runner.commands(commands)
        messages = [_raw_message(thread_id, raw) for page in pages for _, raw in page]
        return await self.with_failures(thread_id, messages)

    async def with_failures(self, thread_id: str, messages: list[Message]) -> list[Message]:
        """The messages, with what is noted of attached files that cannot be used."""
        attaching = [one.id for one in messages if one.role == "user" and one.attachments]
        failures = await self._files.failures(thread_id, attaching)
        return [
            one.with_failures(failures[one.id]) if failures.get(one.id) else one for one in messages
        ]

    async def find(self, thread_id: str, message_id: str) -> Message:
        """One message; one that a run writes just now has the text so far.

        Raises:
            MessageNotFound: the thread has no such message.
        """
        found = await self._stored(thread_id, message_id)
        if found is None and (place := ids.place_of_run_message(message_id)):
            found = await self._open(thread_id, *place)
            # It may have been stored since it was not found.
            found = found or await self._stored(thread_id, message_id)
        if found is None:
            raise message_not_found(message_id)
        return found

    async def _stored(self, thread_id: str, message_id: str) -> Message | None:
        key = self._keys.messages(thread_id)
        position = await self._runner.command("ZSCORE", key, message_id)
        found = [] if position is None else await self.at(thread_id, [int(float(position))])
        return found[0] if found else None

    async def _open(self, thread_id: str, run_id: str, index: int) -> Message | None:
        """The message that a run writes just now, if it is this one."""
        fields = await self._runner.hash_fields(self._keys.run(run_id))
        if not fields or fields["thread_id"] != thread_id:
            return None
        record = RunRecord.read(run_id, fields)
        if record.status not in HELD or record.open_message != str(index):
            return None
        began = f"{fields.get('message_step')}:began"
        at = await self._runner.command("HGET", self._keys.steps(run_id), began)
        item = assistant_message(record, index, await self._logs.open_text(record))
        message = read_message(thread_id, item, int(at or record.created_at))
        return message.model_copy(update={"status": "in_progress"})


def read_message(thread_id: str, item: MessageItem, at: int) -> Message:
    """The message that an item of a thread is; `at` is its time in milliseconds.

    Raises:
        StoreIncompatible: this release cannot read it.
    """
    with reading(item["id"]):
        return Message.read(thread_id, item, at)


def _raw_message(thread_id: str, raw: Any) -> Message:
    fields = field_map(raw)
    return read_message(thread_id, from_json(fields["item"]), int(fields["t"]))
