"""What an enqueue writes, and what the store answers about runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic_core import to_jsonable_python

from threadmill_shared.records.attachments import NOTHING, Attached
from threadmill_shared.records.client_request import ClientRequest
from threadmill_shared.records.definition import RunSnapshot
from threadmill_shared.records.items import MessageItem
from threadmill_shared.records.messages import NewMessage, user_message
from threadmill_shared.records.run import Status

CANCEL_MS = 1000
"""How long a worker has to cancel a run before the run is ended without it."""

WhenBusy = Literal["queue", "reject", "interrupt"]
WaitsFor = Literal["output", "approval"]


@dataclass(frozen=True)
class Dispatch:
    """A run to be sent to a queue, because it is at its thread's head."""

    run_id: str
    queue: str
    begun: bool = False
    """Whether it had begun before, and so belongs to the queue for those."""
    attempt: int = field(default=1, compare=False)
    """Number of the attempt that it is sent for; only the task's id names it."""


@dataclass(frozen=True)
class Enqueued:
    """The outcome of an enqueue."""

    run_id: str
    ahead: int
    """Runs before it in the thread; 0: it is at the head."""
    send: Dispatch | None
    created: bool
    """False if the idempotency key, or the client's request, already belonged to a run."""
    created_at: int
    """Milliseconds of the server's clock; 0: it was not created."""


@dataclass(frozen=True)
class Ended:
    """The outcome of a cancel or a forced end."""

    status: Status
    send: Dispatch | None


@dataclass(frozen=True)
class Reclaimed:
    """The outcome of taking a run from its holder."""

    outcome: Literal["ok", "moved", "cancelling", "spent"]
    """`moved`: it is no longer that holder's; `cancelling`, `spent`: it is to be ended by force."""
    send: Dispatch | None = None
    pause_seconds: float = 0
    """How long to wait before sending it."""
    is_first: bool = False
    """Whether this call has taken it, and not one before, perhaps an earlier try of this one."""


@dataclass(frozen=True)
class Submitted:
    """The outcome of giving calls their outputs."""

    send: Dispatch | None
    is_first: bool
    """False if they had these outputs already."""


@dataclass(frozen=True)
class ParkedCall:
    """A call that waits for an answer from outside the workers."""

    id: str
    name: str
    arguments: str
    """JSON, as the model wrote it."""
    waits_for: WaitsFor


@dataclass(frozen=True)
class IndexScan:
    """What a sweep finds in the indexes of all buckets."""

    now: int
    """The server's time in milliseconds."""
    holders: frozenset[str]
    """Workers that hold runs."""
    overdue: list[str]
    """Runs that are past their deadline, or should be cancelled by now."""
    unclaimed: list[tuple[str, str]]
    """Runs that should have been claimed by now, and their places in the index."""
    unreported: list[str]
    """Runs that ended without a holder, and whose end no worker has reported."""


@dataclass(frozen=True)
class EnqueueCommand:
    """Everything that an enqueue writes."""

    run_id: str
    thread_id: str
    request: RunSnapshot
    create_thread: bool
    thread_metadata: Mapping[str, str] | None = None
    """Stored with the thread if it is created now."""
    thread_key: str | None = None
    """The user's own name for the thread, from which its id follows."""
    thread_tool_resources: Mapping[str, Any] | None = None
    """Likewise."""
    additional: tuple[NewMessage, ...] = ()
    """Messages that enter the thread with the run, before its own one; they are not the run's."""
    message_id: str = ""
    message: str | None = None
    """The user's text; None: no message is added to the thread."""
    attached: Attached = NOTHING
    """Its attachments."""
    when_busy: WhenBusy = "queue"
    idempotency_key: str | None = None
    content_digest: str = ""
    """Empty if there is no idempotency key."""
    queue: str = ""
    context: Mapping[str, Any] | None = None
    run_seconds: float = 600
    park_seconds: float = 600
    """Limit for the time that it waits for an output from outside."""
    approval_seconds: float = 86_400
    """The same for a decision."""
    log_seconds: float = 3600
    run_days: float = 30
    max_waiting: int = 100
    wait_seconds: float | None = None
    """Limit for the time until its first claim; None: there is none."""
    parent: str | None = None
    """The run whose tool enqueues this one."""
    client_request: ClientRequest | None = None
    """The request that creates it, if it is to be remembered."""

    @property
    def all_attached(self) -> Attached:
        """The attachments of all messages that it brings."""
        if not self.additional:
            return self.attached
        others = [one.attached for one in self.additional]
        files = [file for one in (*others, self.attached) for file in one.files]
        return replace(self.attached, files=tuple(files))

    def message_item(self) -> MessageItem | None:
        """The user's message, as it is stored; None: no message is added to the thread."""
        if self.message is None:
            return None
        item = user_message(self.message_id, self.message, attached=self.attached)
        item["run_id"] = self.run_id
        return item


def content_digest(*parts: Any) -> str:
    """A digest of the content that an idempotency key identifies, whatever its order of keys."""
    canonical = json.dumps(to_jsonable_python(parts), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
