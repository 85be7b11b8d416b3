"""How a run's Celery task ends, in the states that Celery's monitors know."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.run import Status


class TaskState(StrEnum):
    """The types of Celery's events that end a task."""

    SUCCESS = "task-succeeded"
    FAILURE = "task-failed"
    REVOKED = "task-revoked"
    RETRY = "task-retried"
    """Another task continues the run."""


@dataclass(frozen=True)
class TaskOutcome:
    """What became of a run in one task."""

    state: TaskState
    detail: str
    """Status, error or reason: our own words, never a user's or a provider's."""

    @classmethod
    def of_end(cls, status: Status, error: LastError | None) -> TaskOutcome:
        """The outcome of a task in which a run has ended."""
        if status in (Status.FAILED, Status.EXPIRED):
            found = error or LastError.of(status, "no reason is recorded")
            detail = f"{found.name}({found.code!r})"
            return cls(TaskState.FAILURE, detail)
        if status is Status.CANCELLED:
            return cls(TaskState.REVOKED, status)
        return cls(TaskState.SUCCESS, status)


PARKED = TaskOutcome(TaskState.RETRY, "parked")
"""The run waits for an answer from outside."""
GIVEN_BACK = TaskOutcome(TaskState.RETRY, "given back")
"""This worker shuts down, or another one has the run's tools."""
TAKEN_OVER = TaskOutcome(TaskState.RETRY, "taken over")
"""Another worker has the run."""
