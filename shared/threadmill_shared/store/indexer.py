"""What one worker at a time does for the indexes of lists: it removes, repairs and completes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from threadmill_shared.ids import is_thread_id
from threadmill_shared.records.run import field_map
from threadmill_shared.store.connections import is_cluster
from threadmill_shared.store.index_cleaner import IndexCleaner
from threadmill_shared.store.indexing_state import DOUBT, IndexingState, keeps_indexes
from threadmill_shared.store.key_scan import KeyScan, ScanStep
from threadmill_shared.store.scripts.lists import ListScripts
from threadmill_shared.store.session import Session
from threadmill_shared.store.threads import Threads

RUNS_AT_ONCE = 20
"""Runs of a thread that one script looks at."""
THREADS_AT_ONCE = 5
"""Scripts in one round trip: the server does nothing else meanwhile, and a run takes it about
0.1 ms, or with a long request 0.3 ms."""
TRIMMED_AT_ONCE = 200
"""Expired runs that one script removes, which takes a few milliseconds."""
CORRECTED_AT_ONCE = 20
"""Runs of a status and a bucket of which it is looked whether their status has changed."""


class Leading(Enum):
    """Whether a worker is the indexer."""

    NO = auto()
    STILL = auto()
    ANEW = auto()
    """It has just become the indexer; another one may have been it before."""


@dataclass(frozen=True)
class IndexingView:
    """What the indexer decides by."""

    state: IndexingState
    now: int
    """The server's time in seconds."""
    sees_others: bool
    """Whether a worker is registered that keeps no indexes."""


@dataclass(frozen=True)
class IndexedPart:
    """What one round trip has put into the indexes."""

    missing: int
    """Entries that were missing or wrong."""
    threads: int
    """How many threads and created assistants were looked at."""
    runs: int
    """How many runs were."""
    entries: int = 0
    """Of how many entries of indexes it was looked whether their records are there."""


class Indexer:
    """Repairs the indexes of one namespace."""

    def __init__(self, session: Session, threads: Threads) -> None:
        self._keys = session.keys
        self._runner = session.runner
        self._threads = threads
        self._is_cluster = is_cluster(session.client)
        self._scripts = ListScripts(session.keys)
        self._cleaner = IndexCleaner(session)
        self._scan = KeyScan(session, session.keys.all_listed())

    async def lead(self, worker: str, lifetime_ms: int) -> Leading:
        """Become the indexer, or stay it."""
        key = self._keys.indexer()
        leader = await self._runner.command("GET", key)
        if leader == worker:  # a full server allows PEXPIRE, but no SET
            stays = await self._runner.command("PEXPIRE", key, lifetime_ms)
            return Leading.STILL if stays else Leading.NO
        if leader is not None:
            return Leading.NO
        is_new = await self._runner.command("SET", key, worker, "NX", "PX", lifetime_ms)
        return Leading.ANEW if is_new else Leading.NO

    async def view(self) -> IndexingView:
        """Read what there is to decide by."""
        fields, registered, time = await self._runner.commands(
            [("HGETALL", self._keys.indexing()), ("HVALS", self._keys.alive()), ("TIME",)]
        )
        return IndexingView(
            IndexingState.read(field_map(fields)),
            int(time[0]),
            sees_others=not all(map(keeps_indexes, registered)),
        )

    async def note(self, state: IndexingState) -> None:
        """Store how far it is."""
        await self._runner.command("HSET", self._keys.indexing(), *state.fields())

    async def doubt(self) -> None:
        """Note that somebody may have written without indexes."""
        await self._runner.command("HSET", self._keys.indexing(), DOUBT, 1)

    async def take_doubt_back(self) -> None:
        """Note that what follows from the doubt is noted."""
        await self._runner.command("HDEL", self._keys.indexing(), DOUBT)

    async def choose_metadata(self, wanted: str) -> None:
        """From now on, scripts index these keys of metadata, with commas between them."""
        keys = [self._keys.indexed(bucket) for bucket in self._keys.buckets()]
        await self._runner.commands(
            ("SET", key, wanted) if wanted else ("DEL", key) for key in keys
        )

    async def servers(self) -> str:
        """Which servers have the keys."""
        return await self._scan.servers()

    async def next_keys(self, place: str, count: int) -> ScanStep:
        """Look at about `count` keys; of those, the ones that `index` takes are found."""
        return await self._scan.step(place, count)

    async def index(self, keys: Sequence[str]) -> AsyncIterator[IndexedPart]:
        """Put threads, their runs and created assistants into the indexes, and clean those.

        Yields after each round trip, which keeps the server busy for a few hundredths of a second
        at most, so that the caller can let others have their turn.

        Args:
            keys: of their records and of indexes, as they were found; others are passed over.
        """
        created = [key for key in keys if key.startswith(self._keys.created(""))]
        if created:
            yield IndexedPart(await self._index_assistants(created), len(created), 0)
        for key in filter(self._cleaner.is_index, keys):
            async for entries in self._cleaner.clean(key):
                yield IndexedPart(0, 0, 0, entries)
        left = [(key.rpartition(":")[2], "") for key in keys if self._is_thread(key)]
        while left:
            some, left = left[:THREADS_AT_ONCE], left[THREADS_AT_ONCE:]
            replies = await self._runner.run_each_apart(
                [
                    self._scripts.index_thread(thread_id=id, after=after, count=RUNS_AT_ONCE)
                    for id, after in some
                ]
            )
            missing, runs = (sum(int(reply[at]) for reply in replies) for at in (1, 3))
            yield IndexedPart(missing, len(some), runs)
            pairs = zip(some, replies, strict=True)
            left += [(id, reply[2]) for (id, _), reply in pairs if reply[2]]

    def _is_thread(self, key: str) -> bool:
        id = key.rpartition(":")[2]
        return is_thread_id(id) and key == self._keys.thread(id)

    async def _index_assistants(self, keys: Sequence[str]) -> int:
        """When an earlier release has created them, nobody knows: they come last."""
        index, prefix = self._keys.registered(), self._keys.created("")
        added = await self._runner.commands(
            ("ZADD", index, "NX", 0, key.removeprefix(prefix)) for key in keys
        )
        return sum(map(int, added))

    async def remove_gone_assistants(self) -> None:
        """Remove the entries of assistants that are gone."""
        index = self._keys.registered()
        ids = await self._runner.command("ZRANGE", index, 0, -1)
        found = await self._runner.commands(("EXISTS", self._keys.created(id)) for id in ids)
        gone = [id for id, is_there in zip(ids, found, strict=True) if not is_there]
        if gone:
            await self._runner.command("ZREM", index, *gone)

    async def trim(self) -> int:
        """Remove what has expired, and the runs of deleted threads; returns how many runs.

        One call removes a part of them if there are many.
        """
        replies = await self._runner.run_each_apart(
            [
                self._scripts.trim_indexes(count=TRIMMED_AT_ONCE, rest=some)
                for some in self._together()
            ]
        )
        for thread_id in [id for reply in replies for id in reply[2]]:
            await self._threads.remove_runs_of_deleted(thread_id)
        return sum(int(reply[1]) for reply in replies)

    async def correct_statuses(self) -> int:
        """Move runs that an earlier release has ended or changed; returns how many."""
        replies = await self._runner.run_each_apart(
            [
                self._scripts.correct_statuses(count=CORRECTED_AT_ONCE, rest=some)
                for some in self._together()
            ]
        )
        return sum(int(reply[1]) for reply in replies)

    def _together(self) -> list[list[str]]:
        """The buckets that one script may touch together."""
        buckets = self._keys.buckets()
        return [[bucket] for bucket in buckets] if self._is_cluster else [buckets]
