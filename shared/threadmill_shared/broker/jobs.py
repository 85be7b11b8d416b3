"""What is sent to Celery's broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from threadmill_shared.broker.queues import EXECUTE, PING, PROBE

EVENTS_LOSS = "monitors such as Flower get them when the broker is back"
_TESTS = {PING: "a test message", PROBE: "a probe for lost messages"}


@dataclass(frozen=True)
class TaskMessage:
    """A message to be sent."""

    task: str
    args: tuple[Any, ...]
    queue: str
    id: str
    loss: str
    """The consequence if it cannot be sent."""

    def __str__(self) -> str:
        what = self.args[0] if self.task == EXECUTE else _TESTS[self.task]
        return f"{what} to queue {self.queue}"


@dataclass(frozen=True)
class QueueRemoval:
    """A queue to be removed."""

    queue: str
    loss: str = "its messages stay there"

    def __str__(self) -> str:
        return f"the removal of queue {self.queue}"


@dataclass(frozen=True)
class TaskEventBatch:
    """Events for monitors."""

    events: list[Mapping[str, Any]]
    loss: str = EVENTS_LOSS

    def __str__(self) -> str:
        return "events of tasks"


SenderJob = TaskMessage | QueueRemoval | TaskEventBatch
