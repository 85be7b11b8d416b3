"""Reads messages: from a thread's items, with what is kept beside them, or from a run's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import starmap
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from threadmill_shared import ids, records
from threadmill_shared.records.items import MessageItem
from threadmill_shared.records.messages import MessageNote, assistant_message
from threadmill_shared.records.page import OrderedPage, PageQuery
from threadmill_shared.records.run import HELD, RunRecord, field_map
from threadmill_shared.records.stored_message import StoredMessage
from threadmill_shared.store.files import Files, read_note, read_notes
from threadmill_shared.store.logs import Logs
from threadmill_shared.store.replies import message_not_found, thread_not_found
from threadmill_shared.store.scripts.threads import ThreadScripts
from threadmill_shared.store.session import Session
from threadmill_shared.stored import reading

if TYPE_CHECKING:
    from threadmill_shared.records.objects import Message


class MessageReader:
    """The messages of one namespace's threads."""

    def __init__(self, session: Session, files: Files, logs: Logs) -> None:
        self._keys = session.keys
        self._runner = session.runner
        self._scripts = ThreadScripts(session.keys)
        self._files = files
        self._logs = logs

    async def at(self, thread_id: str, places: Sequence[tuple[str, int]]) -> list[Message]:
        """The messages with these ids and positions, without those that were deleted meanwhile."""
        if not places:
            return []
        message_ids, key = [id for id, _ in places], self._keys.items(thread_id)
        *pages, stored = await self._runner.commands(
            [
                *(("XRANGE", key, first, last) for first, last in _spans(places)),
                self._files.notes_command(thread_id, message_ids),
            ]
        )
        found = [_raw_message(thread_id, raw) for page in pages for _, raw in page]
        messages = {message.id: message for message in found}
        in_order = [messages[id] for id in message_ids if id in messages]
        return with_notes(in_order, read_notes(message_ids, stored))

    async def page(self, thread_id: str, query: PageQuery) -> OrderedPage[StoredMessage]:
        """A page of a thread's messages, read in one round trip.

        Raises:
            ThreadNotFound: there is no such thread.
            MessageNotFound: a cursor is no message of it.
        """
        older, newer = query.ends
        call = self._scripts.read_messages(
            thread_id=thread_id,
            order="asc" if query.ascends else "desc",
            count=query.limit + 1,
            older=older or "",
            newer=newer or "",
        )
        # Others do not wait for an answer that may be large.
        [[outcome, *found]] = await self._runner.ask_each([call])
        if outcome == "no_thread":
            raise thread_not_found(thread_id)
        if outcome == "no_message":
            raise message_not_found(found[0])
        return query.page_of(list(starmap(_stored_message, found)))

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

    async def check_stored(self, thread_id: str, message_id: str) -> None:
        """Find out whether a thread has a message, before anything is done for it.

        Raises:
            ThreadNotFound, MessageNotFound: as their names say.
        """
        position, is_there = await self._runner.commands(
            [
                ("ZSCORE", self._keys.messages(thread_id), message_id),
                ("EXISTS", self._keys.thread(thread_id)),
            ]
        )
        if not is_there:
            raise thread_not_found(thread_id)
        if position is None:
            raise message_not_found(message_id)

    async def _stored(self, thread_id: str, message_id: str) -> Message | None:
        key = self._keys.messages(thread_id)
        position = await self._runner.command("ZSCORE", key, message_id)
        if position is None:
            return None
        found = await self.at(thread_id, [(message_id, int(float(position)))])
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


def _stored_message(entry: Any, failures: str, metadata: str) -> StoredMessage:
    fields = field_map(entry)
    return StoredMessage(fields["item"], int(fields["t"]), read_note(failures, metadata))


def with_notes(messages: Sequence[Message], notes: Mapping[str, MessageNote]) -> list[Message]:
    """The messages with what is kept beside them, by their ids."""
    return [one.with_note(notes[one.id]) if one.id in notes else one for one in messages]


def _spans(places: Sequence[tuple[str, int]]) -> list[tuple[int, int]]:
    """The positions as spans without gaps: a command for each, which reads nothing else."""
    spans: list[tuple[int, int]] = []
    for position in sorted(position for _, position in places):
        if spans and position == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], position)
        else:
            spans.append((position, position))
    return spans


def read_message(thread_id: str, item: MessageItem, at: int) -> Message:
    """The message that an item of a thread is; `at` is its time in milliseconds.

    Raises:
        StoreIncompatible: this release cannot read it.
    """
    with reading(item["id"]):
        return records.objects.Message.read(thread_id, item, at)


def _raw_message(thread_id: str, raw: Any) -> Message:
    fields = field_map(raw)
    return read_message(thread_id, from_json(fields["item"]), int(fields["t"]))
