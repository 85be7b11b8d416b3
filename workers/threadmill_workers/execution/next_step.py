"""What a run does next, as the assistant loop decides after each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from threadmill_shared.model import FinishReason
from threadmill_shared.records.changes import WaitsFor
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.turn import OpenCall, Reply

MAX_COMPLETION_TOKENS = "max_completion_tokens"
"""The Assistants API's reason for a run that is incomplete because of this option."""


@dataclass(frozen=True)
class AskModel:
    """The model is asked for another turn."""


@dataclass(frozen=True)
class CallTools:
    """The tool calls of a turn are executed."""

    reply: Reply
    """The turn; its batch is not yet written."""


@dataclass(frozen=True)
class Finish:
    """The run ends."""

    status: Status
    batch: Batch = field(default_factory=Batch)
    """The last one; not yet written."""
    reason: str | None = None
    error: LastError | None = None
    data: Any = None


@dataclass(frozen=True)
class Park:
    """The run waits, in the store, until somebody outside has answered."""

    batch: Batch
    """Stores for whom it waits; not yet written."""
    wait_ms: int
    """The limit for that."""
    calls: Mapping[OpenCall, WaitsFor]
    """What each of its calls waits for."""


@dataclass(frozen=True)
class HandOver:
    """Another worker continues the run, because it has the functions that this one lacks."""

    queue: str
    """Only that worker consumes it."""


@dataclass(frozen=True)
class Release:
    """Any worker continues the run, because this one must stop."""


LoopEnd = Finish | Park | HandOver
"""What the assistant loop ends with."""
Outcome = LoopEnd | Release
"""What a worker's attempt to execute a run ends with."""
NextStep = AskModel | CallTools | LoopEnd


def decide(reply: Reply) -> CallTools | Finish:
    """Return the step that follows from a model's reply."""
    if reply.stop is FinishReason.LENGTH:
        return Finish(Status.INCOMPLETE, reply.batch, reason=MAX_COMPLETION_TOKENS)
    if reply.stop is FinishReason.CONTENT_FILTER:
        return Finish(Status.INCOMPLETE, reply.batch, reason="content_filter")
    if reply.calls:
        return CallTools(reply)
    return Finish(Status.COMPLETED, reply.batch)
