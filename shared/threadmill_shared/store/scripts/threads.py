"""The scripts that write into threads from outside, and delete them."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill_shared.store.keys import Keys
from threadmill_shared.store.scripts.loader import ScriptCall, Value, script


class ThreadScripts:
    """Calls of the scripts about threads of one namespace."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def add_messages(
        self,
        *,
        thread_id: str,
        create: bool,
        metadata: str,
        tool_resources: str,
        key: str,
        request: str,
        requested: str,
        rest: Sequence[Value],
    ) -> ScriptCall:
        """Add messages to a thread; `rest` are their ids and they themselves, in turn.

        `request` is the digest of the client's request that is to be remembered, `requested` what
        it is; both are empty if there is none.
        """
        keys = {
            "thread": self._keys.thread(thread_id),
            "request": self._keys.request(thread_id, request),
        }
        args: dict[str, Value] = {
            "bucket": self._keys.bucket(thread_id),
            "thread_id": thread_id,
            "create": int(create),
            "metadata": metadata,
            "tool_resources": tool_resources,
            "key": key,
            "requested": requested,
        }
        return script("add_messages").call(keys, args, rest)

    def import_items(
        self, *, thread_id: str, created_at: int, metadata: str, key: str, rest: Sequence[Value]
    ) -> ScriptCall:
        """Add a part of an imported conversation; `rest`: message id, item, time in ms, in turn."""
        return self._of_thread(
            "import_items",
            thread_id,
            rest,
            thread_id=thread_id,
            created_at=created_at,
            metadata=metadata,
            key=key,
        )

    def attach(self, *, thread_id: str, field: str, value: str) -> ScriptCall:
        """Put a piece of a file beside a thread."""
        return self._of_thread("attach", thread_id, thread_id=thread_id, field=field, value=value)

    def update_thread(self, *, thread_id: str, metadata: str, tool_resources: str) -> ScriptCall:
        """Replace what users keep with a thread; what is empty stays as it is."""
        return self._of_thread(
            "update_thread",
            thread_id,
            thread_id=thread_id,
            metadata=metadata,
            tool_resources=tool_resources,
        )

    def read_messages(
        self, *, thread_id: str, order: str, count: int, older: str, newer: str
    ) -> ScriptCall:
        """Read a page of a thread's messages; `older` and `newer` are empty or its ends."""
        return self._of_thread(
            "read_messages",
            thread_id,
            thread_id=thread_id,
            order=order,
            count=count,
            older=older,
            newer=newer,
        )

    def set_message_metadata(self, *, thread_id: str, message_id: str, metadata: str) -> ScriptCall:
        """Replace the metadata of a thread's message."""
        return self._of_thread(
            "set_message_metadata",
            thread_id,
            thread_id=thread_id,
            message_id=message_id,
            metadata=metadata,
        )

    def delete_message(self, *, thread_id: str, message_id: str, delete_id: str) -> ScriptCall:
        """Delete a thread's message; `delete_id` as for a thread."""
        return self._of_thread(
            "delete_message",
            thread_id,
            thread_id=thread_id,
            message_id=message_id,
            delete_id=delete_id,
        )

    def delete_thread(self, *, thread_id: str, delete_id: str) -> ScriptCall:
        """Delete a thread; `delete_id` is this call's, so that a repeat is told from a new one."""
        return self._of_thread("delete_thread", thread_id, thread_id=thread_id, delete_id=delete_id)

    def remove_runs(self, *, thread_id: str, rest: Sequence[str]) -> ScriptCall:
        """Remove runs of a deleted thread; `rest` are their ids."""
        args: dict[str, Value] = {"bucket": self._keys.bucket(thread_id), "thread_id": thread_id}
        return script("remove_runs").call({"tomb": self._keys.tomb(thread_id)}, args, rest)

    def _of_thread(
        self, name: str, id: str, rest: Sequence[Value] = (), **args: Value
    ) -> ScriptCall:
        own: dict[str, Value] = {"bucket": self._keys.bucket(id)}
        return script(name).call({"thread": self._keys.thread(id)}, own | args, rest)
