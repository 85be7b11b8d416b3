"""Reading a thread and its messages, and adding some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from threadmill.client.current import current_client
from threadmill.runs.checks import check_limit
from threadmill_shared import errors, ids, records
from threadmill_shared.records.attachments import NOTHING, Attached
from threadmill_shared.records.messages import NewMessage, user_message, with_attached
from threadmill_shared.records.objects import Message
from threadmill_shared.records.page import OrderedPage, PageQuery
from threadmill_shared.records.run import RunRecord
from threadmill_shared.records.thread import ThreadRecord, ThreadRef
from threadmill_shared.run_request import check_message
from threadmill_shared.settings import Settings
from threadmill_shared.store.replies import thread_not_found


async def read_thread(thread_id: str) -> ThreadRecord:
    """Read a thread's record.

    Raises:
        ThreadNotFound: the thread is not stored.
    """
    client = current_client()
    record: ThreadRecord | None = await client.call(client.store.threads.record(thread_id))
    if record is None:
        raise thread_not_found(thread_id)
    return record


async def run_ids(thread_id: str, limit: int, before: str | None, after: str | None) -> list[str]:
    """The ids of a page of a thread's runs, oldest first; see `Thread.runs`.

    Raises:
        TypeError, ValueError: the limit is not 1 to 100.
        RunNotFound: the thread has no run `before` or `after`.
    """
    check_limit(limit)
    # Without `after`, the newest ones count: a page that is read from its end.
    wanted = PageQuery(limit, "asc", before=before, after=after)
    if after is None and before is None:
        wanted = PageQuery(limit, "desc")
    client = current_client()
    page: OrderedPage[RunRecord] = await client.call(client.store.run_pages.runs(thread_id, wanted))
    data = page.data if wanted.order == "asc" else page.data[::-1]
    return [record.id for record in data]


async def add_messages(
    thread: ThreadRef, messages: Sequence[Any], attached: Attached = NOTHING
) -> list[Message]:
    """Add messages, all or none; a thread that may be created is.

    Args:
        thread: the thread.
        messages: texts of the user, or mappings in the Assistants API's form.
        attached: what goes with each.

    Raises:
        BadMessage, TooLarge: one is invalid.
        FileNotFound: one names an upload that is not there.
        ThreadLocked, ThreadNotFound: as their names say.
    """
    client = current_client()
    new = [_new_message(message, attached, client.settings) for message in messages]
    if any(isinstance(message, Mapping) for message in messages):
        new = list(await client.call(client.store.uploaded_files.supply(new)))
    files = {file.id: file for one in new for file in one.attached.files}
    items = [one.item for one in new]
    created = await client.call(
        client.store.threads.add(
            thread.id,
            [(item["id"], item) for item in items],
            create=thread.create,
            metadata=thread.metadata or {},
            tool_resources=thread.tool_resources,
            key=thread.key,
            attached=Attached(files=tuple(files.values())),
        )
    )
    return [Message.read(thread.id, item, int(created.at)) for item in items]


def _new_message(message: Any, attached: Attached, settings: Settings) -> NewMessage:
    if not isinstance(message, Mapping):
        check_message(message, settings)
        item = user_message(ids.new_message_id(), message, attached=attached)
        return NewMessage(item, attached)
    if isinstance(message.get("content"), str):
        check_message(message["content"], settings)
    [new] = records.new_messages.read_new_messages([message], max_bytes=settings.max_message_bytes)
    if attached and new.item["role"] != "user":
        raise errors.BadMessage("Only messages of the user can have files and images.")
    return NewMessage(with_attached(new.item, attached), attached)
