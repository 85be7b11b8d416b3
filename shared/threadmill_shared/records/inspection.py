"""What a look at the store finds, as plain data. Times are milliseconds of the server's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from threadmill_shared.records.log import LogEntry
from threadmill_shared.records.run import RunRecord
from threadmill_shared.servers.failures import Failure


@dataclass(frozen=True)
class Census:
    """How many runs are where, in all buckets together."""

    now: int
    held: Mapping[str, int]
    """Runs in progress or cancelling, by the id of the worker that holds them."""
    dispatched: int
    """Queued runs at their thread's head: they wait for a worker."""
    parked: int
    queued: int
    """All queued runs that are indexed, those in their thread's line, too."""
    refusal: Failure | None = None
    """Why the server refuses writes; None: it takes them."""


@dataclass(frozen=True)
class ParkedRun:
    """A run that waits for an answer from outside."""

    run_id: str
    thread_id: str
    since: int
    deadline: int | None
    assistant: str
    open_step: str = ""
    """Number of the step whose calls it waits for."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """Its calls hash, see `docs/store.md`."""


@dataclass(frozen=True)
class RunPlace:
    """A run, and what surrounds it."""

    now: int
    record: RunRecord
    marks: Mapping[str, str]
    """Its calls hash, see `docs/store.md`."""
    head: str
    """The run that holds its thread; empty: none does."""
    ahead: tuple[str, ...]
    """The runs that come before it in the line; none if it is not in the line."""
    held_since: int | None
    """When its holder has claimed it; None: nobody holds it."""
    last_entry: LogEntry | None
    """The newest entry of its log; None: the log has expired."""
