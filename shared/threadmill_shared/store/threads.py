"""Threads: their items and messages, and what may be done to them from outside."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from threadmill_shared import errors, ids
from threadmill_shared.records.attachments import NOTHING, Attached
from threadmill_shared.records.client_request import ClientRequest, Created
from threadmill_shared.records.items import ImportedItem, MessageItem, StoredItem
from threadmill_shared.records.page import Order, OrderedPage, PageQuery
from threadmill_shared.records.run import RunRecord, field_map
from threadmill_shared.records.stored_message import StoredMessage
from threadmill_shared.records.texts import is_valid_text
from threadmill_shared.records.thread import ThreadRecord
from threadmill_shared.store.files import Files
from threadmill_shared.store.logs import Logs
from threadmill_shared.store.message_reader import MessageReader, read_message, with_notes
from threadmill_shared.store.paging import PAGE
from threadmill_shared.store.replies import (
    message_not_found,
    refuse_message,
    refuse_other_content,
    refuse_thread,
    thread_not_found,
)
from threadmill_shared.store.score_pages import ScorePages
from threadmill_shared.store.scripts.threads import ThreadScripts
from threadmill_shared.store.server import GAPS_FORMAT, Server
from threadmill_shared.store.session import Session

if TYPE_CHECKING:
    from threadmill_shared.records.objects import Message


class Threads:
    """The threads of one namespace."""

    def __init__(self, session: Session, server: Server, files: Files, logs: Logs) -> None:
        self._session = session
        self._keys = session.keys
        self._runner = session.runner
        self._scripts = ThreadScripts(session.keys)
        self._server = server
        self._files = files
        self._messages = MessageReader(session, files, logs)

    # ---- reading ---------------------------------------------------------------------------------

    async def record(self, thread_id: str) -> ThreadRecord | None:
        """The thread's record, or None if there is no such thread."""
        fields = await self._runner.hash_fields(self._keys.thread(thread_id))
        return ThreadRecord.read(thread_id, fields) if fields else None

    async def resolve(self, name: str) -> str:
        """The id of the thread that has this id, or this name of a caller's own as its key.

        Imported threads keep the ids that they had elsewhere as their keys.

        Raises:
            ThreadNotFound: there is neither.
        """
        candidates = self._candidates(name)
        found = await self._runner.commands(
            [("EXISTS", self._keys.thread(id)) for id in candidates]
        )
        there = [id for id, is_there in zip(candidates, found, strict=True) if is_there]
        if not there:
            raise thread_not_found(name)
        return there[0]

    async def was_deleted(self, name: str, message_id: str | None = None) -> bool:
        """Whether a thread, or one message of it, was deleted in the last minute.

        So a deletion that is requested again, since its answer was lost, need not be refused.

        Args:
            name: the thread's id or key.
            message_id: the message; None: the thread itself.
        """
        marks = [self._keys.deleted(id, message_id) for id in self._candidates(name)]
        return any(await self._runner.commands([("EXISTS", mark) for mark in marks]))

    def _candidates(self, name: str) -> list[str]:
        """The ids of the threads that can be meant by a name."""
        own = [name] if ids.is_thread_id(name) else []
        is_key = bool(name) and is_valid_text(name)
        return [*own, ids.keyed_thread_id(self._keys.namespace, name)] if is_key else []

    async def last_position(self, thread_id: str) -> int:
        """Position of the thread's last item; 0 if it has none."""
        return int(await self._runner.command("HGET", self._keys.thread(thread_id), "last") or 0)

    async def items(self, thread_id: str, first: int, last: int) -> list[StoredItem]:
        """The thread's items from position `first` to `last`; of some positions there are none."""
        found: list[StoredItem] = []
        key = self._keys.items(thread_id)
        while first <= last:
            page = await self._runner.command("XRANGE", key, first, last, "COUNT", PAGE)
            if not page:
                break
            found += [_stored_item(entry_id, field_map(raw)) for entry_id, raw in page]
            first = found[-1].position + 1
        return found

    async def items_before(self, thread_id: str, last: int, count: int) -> list[tuple[int, str]]:
        """At most `count` items up to position `last` with their positions, oldest first.

        Items are as they are stored.
        """
        found = await self._runner.command(
            "XREVRANGE", self._keys.items(thread_id), last, "-", "COUNT", count
        )
        return [(_position(id), field_map(raw)["item"]) for id, raw in reversed(found)]

    async def messages(
        self,
        thread_id: str,
        limit: int,
        before: str | None,
        after: str | None,
        *,
        order: Order = "asc",
        run_id: str | None = None,
    ) -> list[Message]:
        """A page of the thread's messages, as near to its end as `before` and `after` allow.

        With `after` it begins right behind that one, unless `order` is `desc` and `before` is
        given, too: then it begins right before that one.

        Args:
            thread_id: the thread.
            limit: the number of messages at most.
            before: only earlier messages than this one.
            after: only later ones.
            order: the order in which they are returned.
            run_id: only messages that this run has written.

        Raises:
            MessageNotFound: the thread has no message `before` or `after`.
        """
        is_from_old = after is not None and (order == "asc" or before is None)
        query = (
            PageQuery(limit, "asc", after=after, before=before)
            if is_from_old
            else PageQuery(limit, "desc", after=before, before=after)
        )
        page = (await self.message_page(thread_id, query, run_id)).data
        return list(page if query.order == order else page[::-1])

    async def message_page(
        self, thread_id: str, query: PageQuery, run_id: str | None = None
    ) -> OrderedPage[Message]:
        """A page of the thread's messages.

        Args:
            thread_id: the thread; one that is not there has no messages.
            query: which page.
            run_id: only messages that this run has written. Imported ones keep the ids of runs of
                another store, of which none is found.

        Raises:
            MessageNotFound: a cursor is no message of the thread.
        """
        if run_id is None:
            return await self._any_messages(thread_id, query)
        if not ids.is_run_id(run_id):
            return OrderedPage([], has_more=False)
        pages = ScorePages(self._runner, self._keys.messages(thread_id), message_not_found)
        low, high = await self._positions_of_run(thread_id, run_id)
        prefix = ids.run_messages_prefix(run_id)
        found = await pages.read(
            query, low=low, high=high, is_wanted=lambda message: message.startswith(prefix)
        )
        places = [(id, int(position)) for id, position in found.data]
        return OrderedPage(await self._messages.at(thread_id, places), found.has_more)

    async def _any_messages(self, thread_id: str, query: PageQuery) -> OrderedPage[Message]:
        try:
            found = await self._messages.page(thread_id, query)
        except errors.ThreadNotFound:
            return OrderedPage([], has_more=False)
        return OrderedPage([one.read(thread_id) for one in found.data], found.has_more)

    async def stored_messages(self, thread_id: str, query: PageQuery) -> OrderedPage[StoredMessage]:
        """A page of the thread's messages as they are stored.

        Raises:
            ThreadNotFound: there is no such thread.
            MessageNotFound: a cursor is no message of the thread.
        """
        return await self._messages.page(thread_id, query)

    async def _positions_of_run(self, thread_id: str, run_id: str) -> tuple[float, float]:
        """The positions between which the run's messages are; of a run that is gone: all."""
        fields = "thread_id", "first", "final"
        known = await self._runner.command("HMGET", self._keys.run(run_id), *fields)
        if known[0] != thread_id:
            return -math.inf, math.inf
        return int(known[1] or 0), int(known[2]) if known[2] else math.inf

    async def messages_of_run(self, record: RunRecord) -> list[Message]:
        """The run's messages, the user's first."""
        if record.waiting_message is not None:
            waiting = record.waiting_message
            return [read_message(record.thread_id, waiting, record.created_at)]
        if not record.first:
            return []
        last = record.final or await self.last_position(record.thread_id)
        written = [ids.run_message_id(record.id, n) for n in range(record.next_message)]
        known = [id for id in (record.message_id, *written) if id]
        items, notes = await asyncio.gather(
            self.items(record.thread_id, record.first, last),
            self._files.message_notes(record.thread_id, known),
        )
        messages = [
            read_message(record.thread_id, stored.item, stored.at)
            for stored in items
            if stored.item["type"] == "message"
        ]
        others = [message.id for message in messages if message.id not in known]
        notes |= await self._files.message_notes(record.thread_id, others)
        return with_notes(messages, notes)

    async def changed_metadata(
        self, thread_id: str, message_ids: Sequence[str]
    ) -> dict[str, dict[str, str]]:
        """The metadata of those messages to which others were given later, by their ids."""
        notes = await self._files.message_notes(thread_id, message_ids)
        return {id: note.metadata for id, note in notes.items() if note.metadata is not None}

    async def message(self, thread_id: str, message_id: str) -> Message:
        """One of the thread's messages; one that a run writes just now has the text so far.

        Raises:
            MessageNotFound: the thread has no such message.
        """
        return await self._messages.find(thread_id, message_id)

    async def all_ids(self) -> AsyncIterator[str]:
        """The ids of all threads, in no order; one that is made or deleted meanwhile may be missed.

        It looks at every key of the server: for exports, not for requests.
        """
        async for key in self._session.keys_like(self._keys.all_threads()):
            yield key.rpartition(":")[2]

    # ---- changing --------------------------------------------------------------------------------

    async def add(
        self,
        thread_id: str,
        messages: Sequence[tuple[str, MessageItem]],
        *,
        create: bool,
        metadata: Mapping[str, str] | None = None,
        tool_resources: Mapping[str, Any] | None = None,
        key: str | None = None,
        attached: Attached = NOTHING,
        request: ClientRequest | None = None,
    ) -> Created:
        """Add messages to a thread that no run holds; returns when, in ms of the server's clock.

        Args:
            thread_id: whose they are to be.
            messages: their ids, and they themselves.
            create: whether the thread may be made now.
            metadata: kept with the thread if it is made now.
            tool_resources: kept with it then, too.
            key: the user's own name for it, from which its id follows.
            attached: the files that they name.
            request: the client's request that creates the thread, or its message. If an earlier
                try of it has done so, nothing is added, and what that has created is returned.

        Raises:
            ThreadNotFound: the thread must exist and does not.
            ThreadLocked: a run holds it.
            IdempotencyMismatch: the request's key was used with other content.
            StoreFull: Redis has no room for them.
        """
        await self._session.memory_guard.refuse_when_full()
        await self._files.attach(thread_id, attached)
        flat = [text for id, item in messages for text in (id, to_json(item).decode())]
        call = self._scripts.add_messages(
            thread_id=thread_id,
            create=create,
            metadata=as_json(metadata),
            tool_resources=as_json(tool_resources),
            key=key or "",
            request=request.digest if request else "",
            requested=request.encoded() if request else "",
            rest=flat,
        )
        reply = await self._runner.run(call)
        refuse_thread(reply, thread_id, "messages can be added")
        refuse_other_content(reply)
        return Created(reply[3], reply[2], thread_id if create else flat[0])

    async def import_items(
        self,
        thread_id: str,
        items: Sequence[ImportedItem],
        *,
        created_at: int,
        metadata: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> int:
        """Add a part of a conversation from another store; returns how many messages were new.

        Args:
            thread_id: made if there is no such thread.
            items: in their order; a message that is there already is left out.
            created_at: of a thread that is made now, in milliseconds.
            metadata: kept with a thread that is made now.
            key: the user's own name for it, kept with a thread that is made now.

        Raises:
            ThreadLocked: a run holds it.
            StoreFull: Redis has no room for them.
        """
        await self._session.memory_guard.refuse_when_full()
        call = self._scripts.import_items(
            thread_id=thread_id,
            created_at=created_at,
            metadata=as_json(metadata),
            key=key or "",
            rest=[value for item in items for value in (item.message_id, item.text, item.at)],
        )
        reply = await self._runner.run(call)
        refuse_thread(reply, thread_id, "messages can be imported")
        return int(reply[1])

    async def update(
        self,
        thread_id: str,
        *,
        metadata: Mapping[str, str] | None = None,
        tool_resources: Mapping[str, Any] | None = None,
    ) -> None:
        """Replace what is kept with a thread, also while a run holds it; None leaves it as it is.

        Raises:
            ThreadNotFound: there is no such thread.
            StoreFull: Redis has no room.
        """
        await self._session.memory_guard.refuse_when_full()
        call = self._scripts.update_thread(
            thread_id=thread_id,
            metadata=_given(metadata),
            tool_resources=_given(tool_resources),
        )
        refuse_thread(await self._runner.run(call), thread_id, "it can be changed")

    async def set_message_metadata(
        self, thread_id: str, message_id: str, metadata: Mapping[str, str]
    ) -> None:
        """Replace a message's metadata, also while a run holds the thread.

        Raises:
            ThreadNotFound, MessageNotFound: as their names say.
            StoreFull: Redis has no room.
        """
        await self._session.memory_guard.refuse_when_full()
        call = self._scripts.set_message_metadata(
            thread_id=thread_id, message_id=message_id, metadata=_given(metadata)
        )
        refuse_message(await self._runner.run(call), thread_id, message_id)

    async def delete_message(self, thread_id: str, message_id: str) -> None:
        """Delete one message; calls and their outputs stay, reasoning that led only to it does not.

        The first one that is deleted in a store raises the store's format.

        Raises:
            ThreadNotFound, MessageNotFound: as their names say.
            ThreadLocked: a run holds the thread.
            StoreFull: Redis has no room to note the format.
        """
        await self._messages.check_stored(thread_id, message_id)
        await self._server.use_format(GAPS_FORMAT)
        call = self._scripts.delete_message(
            thread_id=thread_id, message_id=message_id, delete_id=secrets.token_hex(8)
        )
        refuse_message(await self._runner.run(call), thread_id, message_id)

    async def delete(self, thread_id: str) -> None:
        """Delete a thread and its runs.

        Raises:
            ThreadNotFound: it does not exist.
            ThreadLocked: a run holds it.
        """
        delete_id = secrets.token_hex(8)
        call = self._scripts.delete_thread(thread_id=thread_id, delete_id=delete_id)
        reply = await self._runner.run(call)
        refuse_thread(reply, thread_id, "it can be deleted")
        await self.remove_runs_of_deleted(thread_id)

    async def remove_runs_of_deleted(self, thread_id: str) -> None:
        """Remove the runs of a thread that was deleted, in pages."""
        tomb = self._keys.tomb(thread_id)
        while page := await self._runner.command("ZRANGE", tomb, 0, PAGE - 1):
            await self._runner.run(self._scripts.remove_runs(thread_id=thread_id, rest=page))


def _position(entry_id: str) -> int:
    """The position of an item, from the id of its entry in the stream."""
    return int(entry_id.partition("-")[0])


def _stored_item(entry_id: str, fields: Mapping[str, str]) -> StoredItem:
    return StoredItem(from_json(fields["item"]), int(fields["t"]), _position(entry_id))


def as_json(metadata: Mapping[str, Any] | None) -> str:
    """Metadata as scripts take it; empty if there is none."""
    return to_json(metadata).decode() if metadata else ""


def _given(value: Mapping[str, Any] | None) -> str:
    """A value that replaces another one; empty if it stays."""
    return "" if value is None else to_json(value).decode()
