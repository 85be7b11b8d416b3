"""A run's record, as it is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

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
    queued_at: int | None
    """When a worker could claim it last; None: a worker of an earlier release has queued it."""
    started_at: int | None
    cancelled_at: int | None
    """When its worker was told to stop; None: nobody had to be told."""
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
    waiting_messages: tuple[MessageItem, ...]
    """Messages that are added before that one."""
    usage: dict[str, int] | None
    last_error: LastError | None
    reason: str | None
    data: Any
    metadata: dict[str, str]
    """As they were set last: when the run was enqueued, or later."""
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
        found = _Fields(fields)
        request, metadata = found.request(), found.json("metadata", dict)
        return cls(
            id=run_id,
            thread_id=fields["thread_id"],
            status=status_of(run_id, fields["status"]),
            request=request,
            **found.numbers(_NUMBERS),
            **found.times(_TIMES),
            **found.texts(_TEXTS),
            worker=fields.get("worker"),
            waiting_message=found.json("message", dict),
            waiting_messages=found.messages(),
            usage=found.json("usage", dict),
            last_error=found.last_error(),
            reason=found.json("reason"),
            data=found.json("data"),
            metadata=request.options.metadata if metadata is None else metadata,
            context=found.json("context", dict) or {},
            queue=fields["queue"],
            open_step=found.number("open_step") if fields.get("open_step") else None,
            parent=fields.get("parent"),
            is_forced=bool(fields.get("forced")),
            unreadable=tuple(found.unreadable),
        )

    def refuse_unreadable(self) -> None:
        """Reject the execution of a run that this release cannot read.

        Raises:
            StoreIncompatible: this release cannot read it.
        """
        if self.unreadable:
            raise unreadable(self.id, self.unreadable)


class RunProgress(NamedTuple):
    """How far a run has come: what its followers look at again and again."""

    status: Status
    events: int
    """Number of the last event."""

    @classmethod
    def read(cls, run_id: str, status: str, events: str | None) -> RunProgress:
        """Build it from the hash's fields.

        Raises:
            StoreIncompatible: this release does not know its status.
        """
        return cls(status_of(run_id, status), int(events or 0))


_NO_REQUEST = RunSnapshot(assistant_id="", assistant_name="(unreadable)", model="", instructions="")
"""Replaces a definition that cannot be read."""


_NUMBERS = (
    "created_at",
    "attempts",
    "events",
    "first",
    "final",
    "open_from",
    "turn",
    "next_message",
    "next_step",
    "park_ms",
    "approval_ms",
)
"""0 if they are not there."""
_TIMES = ("queued_at", "started_at", "cancelled_at", "ended_at", "deadline")
"""None if they are not there."""
_TEXTS = ("holder", "token", "terminal", "message_id", "open_message", "task")
"""Empty if they are not there."""


LISTED_FIELDS = (
    *("thread_id", "status", "request", "worker", "usage", "last_error", "reason", "data"),
    *("metadata", "queue", "open_step", "parent", "forced", *_NUMBERS, *_TIMES),
    *(name for name in _TEXTS if name != "terminal"),
)
"""The fields that a list reads: all but those that may be large and that it does not show."""


class _Fields:
    """The fields of the hash, and which of them this release cannot read."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields
        self.unreadable: list[str] = []

    def number(self, name: str) -> int:
        return int(self._fields.get(name) or 0)

    def numbers(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: self.number(name) for name in names}

    def times(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: self.number(name) or None for name in names}

    def texts(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: self._fields.get(name, "") for name in names}

    def json(self, name: str, kind: type[Any] = object) -> Any:
        """The value of a field; None if it is not there, or is not JSON of this kind."""
        try:
            found = from_json(self._fields[name]) if self._fields.get(name) else None
        except ValueError:
            return self._refuse(name)
        return found if found is None or isinstance(found, kind) else self._refuse(name)

    def request(self) -> RunSnapshot:
        try:
            return RunSnapshot.read(self._fields.get("request", ""), "request")
        except errors.StoreIncompatible:
            self._refuse("request")
            return _NO_REQUEST

    def last_error(self) -> LastError | None:
        stored = self.json("last_error", dict)
        try:
            return None if stored is None else LastError.model_validate(stored)
        except ValueError:
            self._refuse("last_error")
            return None

    def messages(self) -> tuple[MessageItem, ...]:
        stored = self.json("messages", list) or []
        try:
            return tuple(map(from_json, stored[1::2]))
        except (ValueError, TypeError):
            self._refuse("messages")
            return ()

    def _refuse(self, name: str) -> None:
        self.unreadable.append(name)


def status_of(run_id: str, word: str) -> Status:
    """The status of this name.

    Raises:
        StoreIncompatible: this release does not know it.
    """
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
