"""What Celery's monitors, such as Flower, see of runs' tasks.

Celery itself would show them messages: a task would have succeeded whatever became of its run,
and all tasks would have one name. So Celery's own events of these tasks are off, and a run's task
is announced once its run is claimed, with what the run's record says.
"""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from typing import Any

from threadmill_shared.broker.task_labels import TaskLabel
from threadmill_shared.records.run import RunRecord
from threadmill_workers.consuming.task_outcomes import TAKEN_OVER, TaskOutcome, TaskState

GATHER_SECONDS = 0.25
"""How long events are gathered before they are sent together."""

Event = Mapping[str, Any]
SendEvents = Callable[[list[Event]], None]


class TaskEvents:
    """Announces runs to monitors; used on one event loop."""

    def __init__(self, loop: AbstractEventLoop, send: SendEvents) -> None:
        """Nothing is announced yet.

        Args:
            loop: the one on which it is used.
            send: sends events, soon.
        """
        self._loop = loop
        self._send = send
        self._gathered: list[Event] = []

    def announce_start(self, task_id: str, label: TaskLabel) -> None:
        """Announce a task that has claimed its run, or will report the end of one."""
        # Celery's monitors miss these fields if they are left out.
        unused = {"root_id": task_id, "parent_id": None, "retries": 0, "eta": None, "expires": None}
        self._gather("task-received", task_id, label, unused)
        self._gather("task-started", task_id, label, {})

    def announce_end(
        self, task_id: str, label: TaskLabel, outcome: TaskOutcome, seconds: float, worker: str = ""
    ) -> None:
        """Announce the end of a task, after so many seconds; `worker`, if it was another one's."""
        match outcome.state:
            case TaskState.SUCCESS:
                fields: dict[str, Any] = {"result": outcome.detail, "runtime": seconds}
            case TaskState.REVOKED:
                fields = {"terminated": False, "signum": None, "expired": False}
            case TaskState.FAILURE | TaskState.RETRY:
                fields = {"exception": outcome.detail, "traceback": ""}
        self._gather(outcome.state, task_id, label, fields, worker)

    def announce_takeover(self, record: RunRecord) -> None:
        """Announce that a run was taken from its worker, which may not be able to do so.

        Args:
            record: as it was when that worker still held the run.
        """
        if record.task:
            self.announce_end(record.task, TaskLabel.of(record), TAKEN_OVER, 0, record.holder)

    def flush(self) -> None:
        """Send what was gathered."""
        events, self._gathered = self._gathered, []
        if events:
            self._send(events)

    def _gather(
        self,
        type: str,
        task_id: str,
        label: TaskLabel,
        fields: Mapping[str, Any],
        worker: str = "",
    ) -> None:
        if not self._gathered:
            self._loop.call_later(GATHER_SECONDS, self.flush)
        # With each event: a monitor may have missed the ones before.
        shown = {"name": label.name, "args": "()", "kwargs": label.arguments}
        event = {"type": type, "uuid": task_id, "timestamp": time.time(), **shown, **fields}
        if worker:
            event["hostname"] = hostname(worker)
        self._gathered.append(event)


def hostname(worker_id: str) -> str:
    """A worker's name among Celery's."""
    return f"threadmill@{worker_id}"
