"""Lists over all runs and threads, read page by page from the indexes that the scripts keep."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from threadmill_shared.records.definition import Definition
from threadmill_shared.records.list_filters import RunFilter, Span, ThreadFilter
from threadmill_shared.records.page import Page
from threadmill_shared.records.run import RunRecord
from threadmill_shared.records.thread import ThreadRecord
from threadmill_shared.store import index_names
from threadmill_shared.store.index_cleaner import IndexCleaner
from threadmill_shared.store.index_reader import IndexReader, Position
from threadmill_shared.store.indexing_state import IndexingState, is_incomplete
from threadmill_shared.store.listed_records import ListedRecords
from threadmill_shared.store.session import Session

T = TypeVar("T")

LONGEST_WALK = 1000
"""Entries that a page looks at, at most."""
STEP = 200
"""Entries whose records are read at once after a first look that has not filled the page."""


class Lists:
    """The lists of one namespace."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._keys = session.keys
        self._runner = session.runner
        self._cleaner = IndexCleaner(session)
        self._told: set[str] = set()

    async def runs(self, wanted: RunFilter, limit: int, cursor: str | None) -> Page[RunRecord]:
        """A page of the runs that fit, newest first; contexts and waiting messages are left out.

        Args:
            wanted: what they must be like.
            limit: how many; a page has fewer if `LONGEST_WALK` entries had to be looked at.
            cursor: of the page before.

        Raises:
            ValueError: the cursor is not one of such a list.
            StoreUnavailable: Redis does not answer.
        """
        records = ListedRecords(self._session, self._told)
        after = None if cursor is None else Position.read(cursor, "run")
        incomplete, names = await self._choose(_run_indexes(wanted), wanted.thread)
        is_own = wanted.thread is not None and names == [index_names.runs_of_thread(wanted.thread)]
        reader = IndexReader(
            self._session,
            names or [index_names.ALL_RUNS],
            wanted.span,
            within=self._keys.bucket(wanted.thread) if wanted.thread and is_own else None,
        )
        return await self._page(
            reader,
            after,
            limit,
            records,
            read=records.runs,
            fits=wanted.fits if wanted != RunFilter(span=wanted.span) else None,
            incomplete=incomplete and not is_own,
            clean=[] if is_own else [*names, index_names.ALL_RUNS],
        )

    async def threads(
        self, wanted: ThreadFilter, limit: int, cursor: str | None
    ) -> Page[ThreadRecord]:
        """A page of the threads that fit, the one that was active last first.

        Args:
            wanted: what they must be like.
            limit: how many; see `runs`.
            cursor: of the page before.

        Raises:
            ValueError: the cursor is not one of such a list.
            StoreUnavailable: Redis does not answer.
        """
        records = ListedRecords(self._session, self._told)
        after = None if cursor is None else Position.read(cursor, "thread")
        families = [[index_names.metadata_index(*pair)] for pair in wanted.metadata.items()]
        incomplete, names = await self._choose(families, None, wanted.metadata)
        return await self._page(
            IndexReader(self._session, names or [index_names.ALL_THREADS], wanted.span),
            after,
            limit,
            records,
            read=records.threads,
            fits=wanted.fits if wanted.metadata else None,
            incomplete=incomplete,
            clean=[*names, index_names.ALL_THREADS],
        )

    async def records(self, run_ids: Sequence[str]) -> list[RunRecord]:
        """The records of these runs as a list has them, without those that are gone."""
        records = ListedRecords(self._session, self._told)
        found = await records.runs([Position(0, run_id) for run_id in run_ids])
        return [record for record in found if record is not None]

    async def assistants(self, limit: int, cursor: str | None) -> Page[Definition]:
        """A page of the assistants that were created or are published, the newest first.

        Args:
            limit: how many; see `runs`.
            cursor: of the page before.

        Raises:
            ValueError: the cursor is not one of such a list.
            StoreUnavailable: Redis does not answer.
        """
        records = ListedRecords(self._session, self._told)
        after = None if cursor is None else Position.read(cursor, "")
        names = ["registered", "names"]
        return await self._page(
            IndexReader(self._session, names, Span(), within=self._keys.assistants()),
            after,
            limit,
            records,
            read=records.definitions,
            fits=None,
            incomplete=await self._is_incomplete(()),
        )

    async def state(self) -> IndexingState:
        """How far the indexes of what earlier releases have written are."""
        return IndexingState.read(await self._runner.hash_fields(self._keys.indexing()))

    async def are_incomplete(self) -> bool:
        """Whether lists may lack entries that earlier releases have written."""
        return await self._is_incomplete(())

    # ---- which index is read ---------------------------------------------------------------------

    async def _choose(
        self,
        families: Sequence[Sequence[str]],
        thread_id: str | None,
        metadata: Iterable[str] = (),
    ) -> tuple[bool, Sequence[str]]:
        """Whether the indexes may lack entries, and the names of the smallest; none: of all.

        A thread's own list of runs lacks nothing: it is read as long as the others may, and always
        if a page can walk all of it.
        """
        own = [] if thread_id is None else [[index_names.runs_of_thread(thread_id)]]
        given = [*families, *own]
        incomplete, sizes = await asyncio.gather(
            self._is_incomplete(metadata), self._sizes(families, thread_id)
        )
        if own and (incomplete or sizes[-1] <= LONGEST_WALK):
            return incomplete, own[0]
        smallest = min(range(len(given)), key=sizes.__getitem__, default=None)
        return incomplete, [] if smallest is None else given[smallest]

    async def _sizes(
        self, families: Sequence[Sequence[str]], thread_id: str | None
    ) -> Sequence[int]:
        """How many entries the indexes of each family have, and then the thread's own list."""
        own = [] if thread_id is None else [self._keys.runs(thread_id)]
        if len(families) + len(own) < 2:
            return [0]
        keys = [self._in_buckets(names) for names in families] + [own]
        counts = iter(await self._runner.commands(("ZCARD", key) for some in keys for key in some))
        return [sum(int(next(counts)) for _ in some) for some in keys]

    async def _is_incomplete(self, metadata: Iterable[str]) -> bool:
        stored, registered, now = await asyncio.gather(
            self._runner.hash_fields(self._keys.indexing()),
            self._runner.command("HVALS", self._keys.alive()),
            self._runner.command("TIME"),
        )
        return is_incomplete(IndexingState.read(stored), registered, int(now[0]), metadata)

    def _in_buckets(self, names: Sequence[str]) -> list[str]:
        return [f"{bucket}{name}" for name in names for bucket in self._keys.buckets()]

    # ---- the page --------------------------------------------------------------------------------

    async def _page(
        self,
        reader: IndexReader,
        after: Position | None,
        limit: int,
        records: ListedRecords,
        *,
        read: Callable[[Sequence[Position]], Awaitable[list[T | None]]],
        fits: Callable[[T], bool] | None,
        incomplete: bool,
        clean: Sequence[str] = (),
    ) -> Page[T]:
        """Read a page; what is gone is removed from the indexes whose names `clean` has."""
        data: list[T] = []
        walked, is_over = 0, False
        while not is_over and len(data) < limit and walked < LONGEST_WALK:
            # Of the smallest index most fit, as a rule: of a single condition all do.
            step = STEP if fits and walked else limit - len(data)
            step = min(step, LONGEST_WALK - walked)
            entries = await reader.read(after, step)
            some = entries.found[:step]
            is_over = entries.is_over and some == entries.found
            found = await read(some)
            gone = [one.id for one, record in zip(some, found, strict=True) if record is None]
            await self._cleaner.remove(clean, gone)
            for entry, record in zip(some, found, strict=True):
                if len(data) == limit:
                    is_over = False
                    break
                after, walked = entry, walked + 1
                if record is not None and (fits is None or fits(record)):
                    data.append(record)
        next_cursor = None if is_over or after is None else after.cursor()
        return Page(data, next_cursor, incomplete or records.lacks_some)


def _run_indexes(wanted: RunFilter) -> list[list[str]]:
    """For each thing that is wanted, the indexes that have the runs with it."""
    found = []
    if wanted.status is not None:
        found.append([index_names.status_index(wanted.status)])
    if wanted.assistant is not None:
        found.append(index_names.indexes_of_assistant(wanted.assistant))
    if wanted.error is not None:
        found.append([index_names.error_index(wanted.error)])
    return found
