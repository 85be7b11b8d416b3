"""The scripts that lists are read with, and that repair their indexes."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill_shared.records.page import Order
from threadmill_shared.store import index_names
from threadmill_shared.store.keys import Keys
from threadmill_shared.store.scripts.loader import ScriptCall, Value, script


class ListScripts:
    """Calls of the scripts about the indexes of lists of one namespace."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def read_indexes(
        self,
        *,
        names: str,
        order: Order,
        start: str,
        id: str,
        stop: str,
        count: int,
        rest: Sequence[str],
    ) -> ScriptCall:
        """Read the next `count` entries of some indexes of the buckets in `rest`.

        The `names` of the indexes have blanks between them.
        """
        args: dict[str, Value] = {
            "names": names,
            "order": order,
            "start": start,
            "id": id,
            "stop": stop,
            "count": count,
        }
        first = rest[0] + names.partition(" ")[0]
        return script("read_indexes").call({"first": first}, args, rest)

    def index_thread(self, *, thread_id: str, after: str, count: int) -> ScriptCall:
        """Put a thread and `count` of its runs into their indexes; see the script for `after`."""
        args: dict[str, Value] = {
            "bucket": self._keys.bucket(thread_id),
            "thread_id": thread_id,
            "after": after,
            "count": count,
        }
        return script("index_thread").call({"thread": self._keys.thread(thread_id)}, args)

    def correct_statuses(self, *, count: int, rest: Sequence[str]) -> ScriptCall:
        """Move runs of the buckets in `rest` whose statuses an earlier release has changed.

        It looks at `count` runs of each status and bucket.
        """
        queued = rest[0] + index_names.status_index("queued")
        return script("correct_statuses").call({"queued": queued}, {"count": count}, rest)

    def remove_gone(self, *, index: str, records: str, rest: Sequence[str]) -> ScriptCall:
        """Remove from an index those entries of `rest` whose records are gone.

        The records' keys begin with `records`.
        """
        return script("remove_gone").call({"index": index}, {"records": records}, rest)

    def trim_indexes(self, *, count: int, rest: Sequence[str]) -> ScriptCall:
        """Remove at most `count` expired runs of the buckets in `rest`."""
        keys = {"expiring": self._keys.expiring(rest[0])}
        return script("trim_indexes").call(keys, {"count": count}, rest)


def delete_listed(*, record: str, index: str, deleted: str, id: str, delete_id: str) -> ScriptCall:
    """Delete the record at the key `record`, which stands in the index `index`.

    Args:
        record: the key.
        index: the index.
        deleted: the key of the note that it was deleted.
        id: its entry in the index.
        delete_id: this call's, so that a repeat is told from a new one.
    """
    keys = {"record": record, "index": index, "deleted": deleted}
    return script("delete_listed").call(keys, {"id": id, "delete_id": delete_id})
