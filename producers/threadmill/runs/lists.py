"""Lists of runs, threads and assistants: what callers pass is checked before anything is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from threadmill.client.current import current_client
from threadmill_shared import ids
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.list_filters import RunFilter, Span, ThreadFilter
from threadmill_shared.records.page import Page
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.records.texts import check_text
from threadmill_shared.records.thread import ThreadRecord
from threadmill_shared.settings import load_settings
from threadmill_shared.store.index_reader import Position

Time = datetime | float
"""A point in time: a datetime with a time zone, or seconds since the epoch."""
LONGEST_PAGE = 1000


async def run_page(
    *,
    status: Any = None,
    assistant: Any = None,
    thread: Any = None,
    since: Any = None,
    until: Any = None,
    error: Any = None,
    limit: Any = 20,
    cursor: Any = None,
) -> Page[RunRecord]:
    """A page of the runs that fit, as `Run.list` has it.

    Raises:
        TypeError, ValueError: a value is not one that it may be.
        ThreadNotFound: `thread` is not a thread's id.
    """
    wanted = RunFilter(
        status=None if status is None else _status(status),
        assistant=None if assistant is None else _assistant(assistant),
        thread=None if thread is None else ids.checked_thread_id(getattr(thread, "id", thread)),
        error=None if error is None else _text(error, "error"),
        span=_span(since, until),
    )
    _check_page(limit, cursor, "run")
    client = current_client()
    page: Page[RunRecord] = await client.call(client.store.lists.runs(wanted, limit, cursor))
    return page


async def thread_page(
    *,
    metadata: Any = None,
    since: Any = None,
    until: Any = None,
    limit: Any = 20,
    cursor: Any = None,
) -> Page[ThreadRecord]:
    """A page of the threads that fit, as `Thread.list` has it.

    Raises:
        TypeError, ValueError: a value is not one that it may be.
    """
    wanted = ThreadFilter(_metadata(metadata), _span(since, until))
    _check_page(limit, cursor, "thread")
    client = current_client()
    page: Page[ThreadRecord] = await client.call(client.store.lists.threads(wanted, limit, cursor))
    return page


async def assistant_page(*, limit: Any = 20, cursor: Any = None) -> Page[Definition]:
    """A page of the assistants that others can load, as `Assistant.list` has it.

    Raises:
        TypeError, ValueError: a value is not one that it may be.
    """
    _check_page(limit, cursor, "")
    client = current_client()
    page: Page[Definition] = await client.call(client.store.lists.assistants(limit, cursor))
    return page


def _check_page(limit: Any, cursor: Any, kind: str) -> None:
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise TypeError(f"limit must be an int, not {type(limit).__name__}.")
    if not 1 <= limit <= LONGEST_PAGE:
        raise ValueError(f"limit must be 1 to {LONGEST_PAGE}, not {limit}.")
    if cursor is not None:
        Position.read(_text(cursor, "cursor"), kind)


def _status(status: Any) -> Status:
    try:
        return Status(status)
    except ValueError:
        known = ", ".join(Status)
        raise ValueError(f"{status!r} is not a status of a run. Statuses: {known}.") from None


def _assistant(assistant: Any) -> str:
    """What its runs are found by: the id of one that has been created, else the name."""
    if isinstance(assistant, str):
        return _text(assistant, "assistant")
    name, id = getattr(assistant, "name", None), getattr(assistant, "id", None)
    if not isinstance(name, str):
        raise TypeError(
            f"assistant must be a name, an id or an Assistant, not {type(assistant).__name__}."
        )
    return id if isinstance(id, str) and id != ids.named_assistant_id(name) else name


def _metadata(metadata: Any) -> Mapping[str, str]:
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata must be a dict, not {type(metadata).__name__}.")
    for part in (*metadata, *metadata.values()):
        _text(part, "A text in metadata")
    indexed = load_settings().index_keys
    if unknown := [key for key in metadata if key not in indexed]:
        now = f" It names {', '.join(indexed)}." if indexed else " It is not set."
        raise ValueError(
            f"Threads have no index for the metadata key {unknown[0]!r}. Name it in "
            f"THREADMILL_INDEX, for services and workers alike.{now}"
        )
    return dict(metadata)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}.")
    check_text(value, name)
    return value


def _span(since: Any, until: Any) -> Span:
    return Span(_milliseconds(since, "since"), _milliseconds(until, "until"))


def _milliseconds(time: Any, name: str) -> int | None:
    if time is None:
        return None
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise ValueError(f"{name} must have a time zone: datetime.now(timezone.utc).")
        time = time.timestamp()
    if not isinstance(time, (int, float)) or isinstance(time, bool):
        raise TypeError(
            f"{name} must be a datetime or seconds since the epoch, not {type(time).__name__}."
        )
    if not math.isfinite(time):
        raise ValueError(f"{name} must be a point in time, not {time}.")
    return math.ceil(time * 1000)
