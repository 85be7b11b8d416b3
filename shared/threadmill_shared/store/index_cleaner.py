"""Removes entries from the indexes of lists whose records are gone.

Scripts remove what they delete, and the indexer what expires. But if an earlier release deletes a
thread, or ends a run whose record then expires, nobody knows of their entries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from threadmill_shared.store.keys import Keys
from threadmill_shared.store.scripts.lists import ListScripts
from threadmill_shared.store.session import Session

ENTRIES_AT_ONCE = 200
"""Entries that are looked at in one round trip of a pass."""
_RECORDS = {
    "all_runs": "run:",
    "status": "run:",
    "assistant": "run:",
    "error": "run:",
    "active": "thread:",
    "all_files": "file:",
    "metadata": "thread:",
}
"""Of each kind of index, what the keys of its records begin with."""


class IndexCleaner:
    """Cleans the indexes of one namespace."""

    def __init__(self, session: Session) -> None:
        self._keys: Keys = session.keys
        self._runner = session.runner
        self._scripts = ListScripts(session.keys)

    def is_index(self, key: str) -> bool:
        """Whether a key is that of an index whose entries are runs, threads or files."""
        return _kind(key) in _RECORDS and not key.startswith(self._keys.assistants())

    async def remove(self, names: Sequence[str], ids: Sequence[str]) -> None:
        """Remove from indexes with these names those of some entries whose records are gone."""
        by_index: dict[str, list[str]] = defaultdict(list)
        for id in ids:
            for name in names:
                by_index[self._keys.bucket(id) + name].append(id)
        calls = [
            self._scripts.remove_gone(index=index, records=_records(index), rest=of)
            for index, of in by_index.items()
        ]
        if calls:
            await self._runner.run_each_apart(calls)

    async def clean(self, index: str) -> AsyncIterator[int]:
        """Remove all entries of an index that are gone; yields how many a step has looked at."""
        at = 0
        while found := await self._runner.command("ZRANGE", index, at, at + ENTRIES_AT_ONCE - 1):
            call = self._scripts.remove_gone(index=index, records=_records(index), rest=found)
            [[_, removed]] = await self._runner.run_each_apart([call])
            at += len(found) - int(removed)
            yield len(found)


def _kind(key: str) -> str:
    return key.rpartition("}:")[2].partition(":")[0]


def _records(index: str) -> str:
    """What the keys of the records begin with that stand in an index."""
    bucket = "".join(index.rpartition("}:")[:2])
    return bucket + _RECORDS[_kind(index)]
