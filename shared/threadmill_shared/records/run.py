"""A run's record, as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic_core import from_json

from threadmill_shared import errors
from threadmill_shared.records.definition import RunSnapshot
from threadmill_shared.records.items import MessageItem
from threadmill_shared.records.last_error import LastError
from threadmill_shared.stored import unreadable


class Status(StrEnum):
    """A run's status, in the Assistants API's words."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    REQUIRES_ACTION = "requires_action"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """Whether this status is final."""
        return self in TERMINAL


TERMINAL = frozenset(
    {Status.CANCELLED, Status.FAILED, Status.COMPLETED, Status.INCOMPLETE, Status.EXPIRED}
)

HELD = frozenset({Status.IN_PROGRESS, Status.CANCELLING})
"""A worker holds the run."""


@dataclass(frozen=True)
class RunRecord:
    """One reading of a run's record. Times are milliseconds of the server's clock."""

    id: str
    thread_id: str
    status: Status
    request: RunSnapshot
    created_at: int
    started_at: int | None
    ended_at: int | None
    deadline: int | None
    attempts: int
    worker: str | None
    """`host:pid` of the last holder."""
    holder: str
    token: str
    events: int
    """Number of the last event."""
    terminal: str
    """The terminal records of the log, kept for readers that come after it has expired."""
    first: int
    """Position of the run's first item in the thread; 0 before the run becomes the head."""
    final: int
    """Position of the run's last item, once it has ended."""
    message_id: str
    waiting_message: MessageItem | None
    """The user's message of a run that waits in line; it is added to the thread with its run."""
    usage: dict[str, int] | None
    last_error: LastError | None
    reason: str | None
    data: Any
    context: dict[str, Any]
    queue: str
    open_message: str
    open_from: int
    turn: int
    """Turns that are complete and stored."""
    next_message: int
    """Number of the run's next message."""
    next_step: int
    """Number of its next step."""
    open_step: int | None
    """Number of the step in progress."""
    park_ms: int
    """How long it may wait for an output from outside."""
    approval_ms: int
    """How long it may wait for a decision."""
    parent: str | None
    """The run whose tool enqueued it."""
    task: str
    """The id of the Celery task that claimed it last."""
    is_forced: bool
    """Whether it was ended by force while an attempt held it."""
    unreadable: tuple[str, ...] = ()
    """Names of the fields that this release cannot read; they are empty here."""

    @property
    def says(self) -> bool:
        """Whether the run has a user's message; otherwise it runs the thread as it is."""
        return bool(self.message_id)

    @property
    def seconds(self) -> float:
        """From its first claim, or without one from its creation, to its end; 0 before that."""
        begun_at = self.started_at or self.created_at
        return max(0, (self.ended_at or begun_at) - begun_at) / 1000

    @classmethod
    def read(cls, run_id: str, fields: Mapping[str, str]) -> RunRecord:
        """Build the record from the hash's fields.

        A run that can be read only in part still has a record: it must be possible to end the run,
        and its thread must not stay locked.

        Raises:
            StoreIncompatible: this release does not know its status.
        """
        failed: list[str] = []

        def number(name: str) -> int:
            return int(fields.get(name) or 0)

        def value(name: str, kind: type[Any] = object) -> Any:
            try:
                found = from_json(fields[name]) if fields.get(name) else None
            except ValueError:
                failed.append(name)
                return None
            if found is not None and not isinstance(found, kind):
                failed.append(name)
                return None
            return found

        return cls(
            id=run_id,
            thread_id=fields["thread_id"],
            status=_status(run_id, fields["status"]),
            request=_request(fields.get("request", ""), failed),
            created_at=number("created_at"),
            started_at=number("started_at") or None,
            ended_at=number("ended_at") or None,
            deadline=number("deadline") or None,
            attempts=number("attempts"),
            worker=fields.get("worker"),
            holder=fields.get("holder", ""),
            token=fields.get("token", ""),
            events=number("events"),
            terminal=fields.get("terminal", ""),
            first=number("first"),
            final=number("final"),
            message_id=fields.get("message_id", ""),
            waiting_message=value("message", dict),
            usage=value("usage", dict),
            last_error=_last_error(value("last_error", dict), failed),
            reason=value("reason"),
            data=value("data"),
            context=value("context", dict) or {},
            queue=fields["queue"],
            open_message=fields.get("open_message", ""),
            open_from=number("open_from"),
            turn=number("turn"),
            next_message=number("next_message"),
            next_step=number("next_step"),
            open_step=number("open_step") if fields.get("open_step") else None,
            park_ms=number("park_ms"),
            approval_ms=number("approval_ms"),
            parent=fields.get("parent"),
            task=fields.get("task", ""),
            is_forced=bool(fields.get("forced")),
            unreadable=tuple(failed),
        )

    def refuse_unreadable(self) -> None:
        """Reject the execution of a run that this release cannot read.

        Raises:
            StoreIncompatible: this release cannot read it.
        """
        if self.unreadable:
            raise unreadable(self.id, self.unreadable)


_NO_REQUEST = RunSnapshot(assistant_id="", assistant_name="(unreadable)", model="", instructions="")
"""Replaces a definition that cannot be read."""


def _request(text: str, failed: list[str]) -> RunSnapshot:
    try:
        return RunSnapshot.read(text, "request")
    except errors.StoreIncompatible:
        failed.append("request")
        return _NO_REQUEST


def _last_error(stored: dict[str, Any] | None, failed: list[str]) -> LastError | None:
    try:
        return None if stored is None else LastError.model_validate(stored)
    except ValueError:
        failed.append("last_error")
        return None


def _status(run_id: str, word: str) -> Status:
    try:
        return Status(word)
    except ValueError:
        raise unreadable(run_id, ["status"]) from None


def field_map(raw: Any) -> dict[str, str]:
    """The fields of a hash, or of a stream's entry.

    Args:
        raw: as Redis gives them: a flat list of names and values (RESP2, scripts), or a dict.
    """
    return raw if isinstance(raw, dict) else dict(zip(raw[::2], raw[1::2], strict=True))
