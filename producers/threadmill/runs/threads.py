"""Reading a thread and its messages, and adding some."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill.client.current import current_client
from threadmill_shared import ids
from threadmill_shared.records.attachments import NOTHING, Attached
from threadmill_shared.records.messages import user_message
from threadmill_shared.records.objects import Message
from threadmill_shared.records.thread import ThreadRecord, ThreadRef
from threadmill_shared.run_request import check_message
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


async def add_messages(
    thread: ThreadRef, texts: Sequence[str], attached: Attached = NOTHING
) -> list[Message]:
    """Add messages of the user, all or none; a thread that may be created is.

    Args:
        thread: the thread.
        texts: the messages.
        attached: what goes with each.

    Raises:
        BadMessage, TooLarge: one is invalid.
        ThreadLocked, ThreadNotFound: as their names say.
    """
    client = current_client()
    for text in texts:
        check_message(text, client.settings)
    items = [user_message(ids.new_message_id(), text, attached=attached) for text in texts]
    at = await client.call(
        client.store.threads.add(
            thread.id,
            [(item["id"], item) for item in items],
            create=thread.create,
            metadata=thread.metadata or {},
            key=thread.key,
            attached=attached,
        )
    )
    return [Message.read(thread.id, item, at) for item in items]
