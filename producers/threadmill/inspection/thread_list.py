"""Threads, by their last activity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from threadmill.inspection.list_gaps import find_why_incomplete
from threadmill_shared.records.list_filters import ThreadFilter
from threadmill_shared.records.thread import ThreadRecord
from threadmill_shared.store.store import Store

THREAD_PAGE = 200


@dataclass(frozen=True)
class ThreadView:
    """A thread in a list."""

    id: str
    key: str | None
    """The caller's own name for it, if the store knows it."""
    created_at: float
    active_at: float | None
    run_id: str | None
    """The run that holds it; None: it is free."""
    items: int
    """Messages, tool calls and outputs."""
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class ThreadList:
    """Threads that were found."""

    threads: tuple[ThreadView, ...]
    """The one that was active last comes last."""
    is_incomplete: bool
    """Whether there may be more, which are not indexed (yet)."""
    why_incomplete: str | None = None
    """Why, as a part of a sentence."""


async def read_threads(store: Store, wanted: ThreadFilter, limit: int) -> ThreadList:
    """Read the threads that fit and were active last, at most `limit` of them.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    records: list[ThreadRecord] = []
    cursor, is_incomplete = None, False
    while len(records) < limit:
        step = min(limit - len(records), THREAD_PAGE)
        page = await store.lists.threads(wanted, step, cursor)
        records += page.data
        cursor, is_incomplete = page.cursor, is_incomplete or page.incomplete
        if cursor is None:
            break
    why = await find_why_incomplete(store) if is_incomplete else None
    return ThreadList(tuple(map(_view_of, reversed(records))), is_incomplete, why)


def _view_of(record: ThreadRecord) -> ThreadView:
    return ThreadView(
        id=record.id,
        key=record.key,
        created_at=record.created_at / 1000,
        active_at=record.active_at / 1000 if record.active_at else None,
        run_id=record.head or None,
        items=record.last,
        metadata=record.metadata,
    )
