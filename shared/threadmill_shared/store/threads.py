"""What may be done to threads: add messages, bring conversations in, delete."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from threadmill_shared.records.attachments import NOTHING, Attached
from threadmill_shared.records.items import ImportedItem, MessageItem
from threadmill_shared.store.connections import StoreClient
from threadmill_shared.store.memory_guard import MemoryGuard
from threadmill_shared.store.reader import PAGE, StoreReader
from threadmill_shared.store.replies import refuse_thread
from threadmill_shared.store.scripts.threads import ThreadScripts


class ThreadStore(StoreReader):
    """The threads of one namespace."""

    def __init__(self, client: StoreClient, namespace: str, *, patience: float = 3.0) -> None:
        """As `StoreReader`."""
        super().__init__(client, namespace, patience=patience)
        self._room = MemoryGuard(client)
        self._threads = ThreadScripts(self.keys)

    def tell_that_it_is_full(self) -> None:
        """Say in the log that Redis takes nothing in; now and then, whoever finds it so."""
        self._room.warn()

    async def add(
        self,
        thread_id: str,
        messages: Sequence[tuple[str, MessageItem]],
        *,
        create: bool,
        metadata: Mapping[str, str] | None = None,
        attached: Attached = NOTHING,
    ) -> int:
        """Add messages to a thread that no run holds; returns the server's time in milliseconds.

        Args:
            thread_id: whose they are to be.
            messages: their ids, and they themselves.
            create: whether the thread may be made now.
            metadata: kept with the thread if it is made now.
            attached: the files that they name.

        Raises:
            ThreadNotFound: the thread must exist and does not.
            ThreadLocked: a run holds it.
            StoreFull: Redis has no room for them.
        """
        await self._room.refuse_when_full()
        await self._attach(thread_id, attached)
        flat = [text for id, item in messages for text in (id, to_json(item).decode())]
        call = self._threads.add_messages(
            thread_id=thread_id, create=create, metadata=as_json(metadata), rest=flat
        )
        reply = await self.scripts.run(call)
        refuse_thread(reply, thread_id, "messages can be added")
        return int(reply[2])

    async def bring_in(
        self,
        thread_id: str,
        items: Sequence[ImportedItem],
        *,
        created_at: int,
        metadata: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> int:
        """Add a part of a conversation that was led elsewhere; returns how many messages were new.

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
        await self._room.refuse_when_full()
        call = self._threads.import_items(
            thread_id=thread_id,
            created_at=created_at,
            metadata=as_json(metadata),
            key=key or "",
            rest=[value for item in items for value in (item.message_id, item.text, item.at)],
        )
        reply = await self.scripts.run(call)
        refuse_thread(reply, thread_id, "messages can be imported")
        return int(reply[1])

    async def _attach(self, thread_id: str, attached: Attached) -> None:
        """Put files beside a thread, before the message that names them.

        They stay where the message is refused: whoever tries again need not send them again, and
        they go with the thread.
        """
        for file in attached.files:
            if await self.read("HEXISTS", self.keys.attached(thread_id), file.id):
                continue
            for name, value in file.fields():
                call = self._threads.attach(thread_id=thread_id, field=name, value=value)
                await self.scripts.run_apart(call)

    async def delete(self, thread_id: str) -> None:
        """Delete a thread and its runs.

        Raises:
            ThreadNotFound: it does not exist.
            ThreadLocked: a run holds it.
        """
        delete_id = secrets.token_hex(8)
        call = self._threads.delete_thread(thread_id=thread_id, delete_id=delete_id)
        reply = await self.scripts.run(call)
        refuse_thread(reply, thread_id, "it can be deleted")
        tomb = self.keys.tomb(thread_id)
        while page := await self.read("ZRANGE", tomb, 0, PAGE - 1):
            gone = [key(run) for run in page for key in self._keys_of_a_run()]
            await self.scripts.command("UNLINK", *gone)
            await self.scripts.command("ZREM", self.keys.unreported(thread_id), *page)
            await self.scripts.command("ZREM", tomb, *page)

    def _keys_of_a_run(self) -> tuple[Any, ...]:
        keys = self.keys
        return (keys.run, keys.log, keys.steps, keys.calls, keys.files)


def as_json(metadata: Mapping[str, str] | None) -> str:
    """Metadata as scripts take it; empty where there is none."""
    return to_json(metadata).decode() if metadata else ""
