"""Which runs and threads a list is to have, as plain data. Times are milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.records.thread import ThreadRecord


@dataclass(frozen=True)
class Span:
    """From `since` on, and before `until`; None: without a limit."""

    since: int | None = None
    until: int | None = None


@dataclass(frozen=True)
class RunFilter:
    """What a run must be like; None: anything will do."""

    status: Status | None = None
    assistant: str | None = None
    """Its assistant's name or id."""
    thread: str | None = None
    error: str | None = None
    """Name or code of its error."""
    span: Span = Span()
    """When it was created."""

    def fits(self, record: RunRecord) -> bool:
        """Whether the run is like that; its time is not looked at."""
        return (
            self.status in (None, record.status)
            and self.thread in (None, record.thread_id)
            and self.assistant in (None, record.request.assistant_name, record.request.assistant_id)
            and (self.error is None or self.error in _words_of(record.last_error))
        )


def _words_of(error: LastError | None) -> tuple[str, ...]:
    return () if error is None else (error.name, error.code)


@dataclass(frozen=True)
class ThreadFilter:
    """What a thread must be like."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """Values that its metadata must have; each key must have an index."""
    span: Span = Span()
    """When it was active last."""

    def fits(self, record: ThreadRecord) -> bool:
        """Whether the thread is like that; its time is not looked at."""
        return all(record.metadata.get(key) == value for key, value in self.metadata.items())
