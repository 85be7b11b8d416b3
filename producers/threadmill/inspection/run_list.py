"""Runs over all threads, and their changes as they happen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from threadmill.inspection.list_gaps import find_why_incomplete
from threadmill_shared.records.list_filters import RunFilter, Span
from threadmill_shared.records.objects import RunUsage
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.store.store import Store

PAGE = 200
FOLLOWED = 1000
"""Unfinished runs of each status that a follower looks at again and again, the newest ones."""
OVERLAP_MS = 2000
"""So much older a new run may be than the newest one that is known: runs are stored in no order."""


@dataclass(frozen=True)
class ListedRun:
    """A run in a list."""

    id: str
    thread_id: str
    status: str
    assistant: str
    model: str
    attempts: int
    worker: str | None
    """`host:pid` of the worker that holds it, or has held it last."""
    created_at: float
    started_at: float | None
    ended_at: float | None
    duration_seconds: float | None
    """From its first claim to its end; None: it has not ended, or was never claimed."""
    prompt_tokens: int
    completion_tokens: int
    error: str | None
    """The error's name, such as `ModelRefused`; of an incomplete run the reason."""
    error_message: str | None

    @classmethod
    def of(cls, record: RunRecord) -> ListedRun:
        """The view of a run's record."""
        usage = RunUsage.model_validate(record.usage or {})
        error = record.last_error
        return cls(
            id=record.id,
            thread_id=record.thread_id,
            status=record.status.value,
            assistant=record.request.assistant_name,
            model=record.request.model,
            attempts=record.attempts,
            worker=record.worker,
            created_at=record.created_at / 1000,
            started_at=record.started_at / 1000 if record.started_at else None,
            ended_at=record.ended_at / 1000 if record.ended_at else None,
            duration_seconds=record.seconds if record.ended_at and record.started_at else None,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            error=error.name if error else record.reason,
            error_message=error.message if error else None,
        )


@dataclass(frozen=True)
class RunList:
    """Runs that were found."""

    runs: tuple[ListedRun, ...]
    """The oldest first."""
    is_incomplete: bool
    """Whether there may be more, which are not indexed (yet)."""
    read_at: int
    """When they were read, in milliseconds of the server's clock."""
    why_incomplete: str | None = None
    """Why, as a part of a sentence."""


async def read_runs(store: Store, wanted: RunFilter, limit: int) -> RunList:
    """Read the newest runs that fit, at most `limit` of them.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    at = await store.server.now()
    records, is_incomplete = await _read_records(store, wanted, limit)
    why = await find_why_incomplete(store) if is_incomplete else None
    return RunList(tuple(map(ListedRun.of, reversed(records))), is_incomplete, at, why)


async def _read_records(
    store: Store, wanted: RunFilter, limit: int
) -> tuple[list[RunRecord], bool]:
    records: list[RunRecord] = []
    cursor, is_incomplete = None, False
    while len(records) < limit:
        page = await store.lists.runs(wanted, min(limit - len(records), PAGE), cursor)
        records += page.data
        cursor, is_incomplete = page.cursor, is_incomplete or page.incomplete
        if cursor is None:
            break
    return records, is_incomplete


class RunChanges:
    """Finds what has changed of runs that fit: new ones, and those that had not ended.

    A run that no longer fits is told once more, with what it has become.
    """

    def __init__(self, store: Store, wanted: RunFilter) -> None:
        """Nothing was read yet; call `begin` first."""
        self._store = store
        self._wanted = wanted
        # A run becomes what is wanted later than it is created.
        self._any = replace(wanted, status=None, error=None, span=Span())
        self._known: dict[str, tuple[Any, ...]] = {}
        """The unfinished runs, as they were looked at last."""
        self._fitting: set[str] = set()
        self._ended: dict[str, int] = {}
        """When runs were created that have ended, as long as they are found as new ones."""
        self._newest = 0

    async def begin(self, listed: RunList) -> None:
        """Note the runs that there are; what has changed since a list was read is to be told.

        Args:
            listed: the list, which was told already.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        self._newest = await self._store.server.now()
        for status in Status:
            if not status.is_terminal:
                wanted = replace(self._any, status=status)
                records, _ = await _read_records(self._store, wanted, FOLLOWED)
                for record in records:
                    self._note(record)
        for record in await self._created():
            if record.ended_at is not None and record.ended_at <= listed.read_at:
                self._ended[record.id] = record.created_at
        for one in listed.runs:
            self._note_listed(one)

    def _note_listed(self, run: ListedRun) -> None:
        status = Status(run.status)
        if status.is_terminal:
            self._ended[run.id] = int(run.created_at * 1000)
        else:
            self._known[run.id] = (status, run.attempts, run.worker)
            self._fitting.add(run.id)

    async def next(self) -> list[ListedRun]:
        """The runs that have changed since the last call, the oldest first.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        records = await self._store.lists.records(list(self._known))
        found = {record.id: record for record in [*records, *await self._created()]}
        for gone in self._known.keys() - found.keys():
            del self._known[gone]
        told = [record for record in found.values() if self._note(record)]
        return [ListedRun.of(one) for one in sorted(told, key=lambda one: one.created_at)]

    async def _created(self) -> list[RunRecord]:
        since = self._newest - OVERLAP_MS
        wanted = replace(self._any, span=Span(since))
        records, _ = await _read_records(self._store, wanted, FOLLOWED)
        self._newest = max((one.created_at for one in records), default=self._newest)
        self._ended = {id: at for id, at in self._ended.items() if at >= since}
        return [record for record in records if record.id not in self._ended]

    def _note(self, record: RunRecord) -> bool:
        """Remember a run; returns whether it has changed, and that is to be told."""
        state = (record.status, record.attempts, record.worker)
        is_changed = self._known.get(record.id) != state
        fits = self._wanted.fits(record)
        is_told = is_changed and (fits or record.id in self._fitting)
        self._known[record.id] = state
        self._fitting.discard(record.id)
        if fits:
            self._fitting.add(record.id)
        if record.status.is_terminal:
            del self._known[record.id]
            self._fitting.discard(record.id)
            self._ended[record.id] = record.created_at
        return is_told
