"""The thread that sends messages to Celery's queues.

A message contains only a run's id. Losing one, or delivering it twice, changes only when a run
begins, so a failed send is a warning, not an error.
"""

from __future__ import annotations

import atexit
import queue
import threading
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from threadmill_shared import ids
from threadmill_shared.broker.broker_health import BrokerHealth
from threadmill_shared.broker.jobs import QueueRemoval, SenderJob, TaskEventBatch, TaskMessage
from threadmill_shared.broker.queues import EXECUTE, PING, PROBE, Queues
from threadmill_shared.broker.task_message import task_message
from threadmill_shared.lazy_imports import many_imports
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.settings import Settings

if TYPE_CHECKING:
    from threadmill_shared.broker.publisher import Publisher

_UNSENT_EVENTS = 10_000
"""The most events that are kept while the broker is unreachable."""
_EXIT_SECONDS = 3.0
"""How long an exiting process waits for its last sends."""

_TEST_LOSS = "no run depends on it, and the next one follows"

Push = Callable[[str, bytes, Callable[[Exception | None], None]], None]
"""Puts a message into a queue, and tells later what has come in place of an answer, if anything."""


class Sender:
    """Sends to Celery, in a thread of its own: publishing blocks, possibly for long."""

    def __init__(self, settings: Settings, *, hostname: str = "") -> None:
        """A sender that has not connected yet.

        Args:
            settings: with the broker's URL.
            hostname: the worker whose events are sent; only workers send events.

        Raises:
            NotConfigured: Celery cannot use the broker's URL.
        """
        settings.celery_settings()
        self._settings = settings
        self._hostname = hostname
        self._queues = Queues(settings.namespace)
        self._outbox: queue.SimpleQueue[SenderJob | None] = queue.SimpleQueue()
        self.health = BrokerHealth(settings.celery_url())
        """What is known of the broker."""
        self._unsent: list[Mapping[str, Any]] = []
        """Events that wait for the broker."""
        self.failures = 0
        """How many messages could not be sent."""
        self._push: Push | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def push_with(self, push: Push | None) -> None:
        """From now on put tasks into their queues with `push`, if the store's Redis is the broker.

        That needs neither a thread nor Celery. It is called in the thread that sends.

        Args:
            push: None: Celery sends them, as it does everything else.
        """
        self._push = push if self._settings.broker_url is None else None

    def send(self, dispatch: Dispatch | None) -> None:
        """Queue a run for sending; returns at once. None: there is nothing to send."""
        if dispatch is not None:
            self._send(self._execute(dispatch))

    def task_of(self, run_id: str, queue: str) -> bytes:
        """The message that sends a new run, for the script that creates it; empty: `send` it."""
        return b"" if self._push is None else _encoded(self._execute(Dispatch(run_id, queue)))

    def _execute(self, dispatch: Dispatch) -> TaskMessage:
        queue = self._queues.of_begun(dispatch.queue) if dispatch.begun else dispatch.queue
        task_id = ids.new_task_id(dispatch.run_id, dispatch.attempt)
        loss = "the run is stored; a worker sends it again if nobody claims it"
        return TaskMessage(EXECUTE, (dispatch.run_id,), queue, task_id, loss)

    def send_events(self, events: list[Mapping[str, Any]]) -> None:
        """Queue events of tasks for monitors."""
        self._put(TaskEventBatch(events))

    def send_probe(self, queue: str, now: int) -> None:
        """Queue a probe for sending: it reveals which messages the queue has lost until now."""
        self._send(TaskMessage(PROBE, (queue, now), queue, str(uuid.uuid4()), _TEST_LOSS))

    def send_ping(self, queue: str, number: int) -> None:
        """Queue a ping to a worker's own queue: it reveals whether its consumer works."""
        self._send(TaskMessage(PING, (number,), queue, str(uuid.uuid4()), _TEST_LOSS))

    def remove(self, queue: str) -> None:
        """Queue the removal of a dead worker's queue, which nobody else would ever consume."""
        self._put(QueueRemoval(queue))

    def _send(self, message: TaskMessage) -> None:
        if self._push is None:
            self._put(message)
            return
        note = partial(self._note_pushed, message)
        self._push(message.queue, _encoded(message), note)

    def _note_pushed(self, message: TaskMessage, error: Exception | None) -> None:
        if error is None:
            self.health.note_success()
        else:
            self._put(message)  # Celery tries once more, and the log tells if it fails

    def _put(self, job: SenderJob) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="threadmill-sender", daemon=True
                )
                self._thread.start()
                atexit.register(self.close)
        self._outbox.put(job)

    def close(self) -> None:
        """Send the remaining messages, and end the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            atexit.unregister(self.close)
            self._outbox.put(None)
            thread.join(_EXIT_SECONDS)

    def _work(self) -> None:
        publisher: Publisher | None = None
        while (job := self._outbox.get()) is not None:
            try:
                publisher = publisher or _publisher(self._settings, self._hostname)
                publisher.carry_out(job)
            except Exception as error:  # noqa: BLE001  whatever went wrong, the run is stored
                self.failures += 1
                if publisher is not None:
                    publisher.drop()
                    publisher = None  # a broken channel stays broken; the next one connects again
                self._note_failure(job, error)
            else:
                self.health.note_success()
                self._send_unsent()
        if publisher is not None:
            publisher.close()

    def _note_failure(self, job: SenderJob, error: Exception) -> None:
        if isinstance(job, TaskEventBatch):
            self._unsent = [*self._unsent, *job.events][-_UNSENT_EVENTS:]
        self.health.note_unsent(str(job), error, job.loss)

    def _send_unsent(self) -> None:
        """The broker is reachable: send it the events that it has missed."""
        unsent, self._unsent = self._unsent, []
        if unsent:
            self._outbox.put(TaskEventBatch(unsent))


def _publisher(settings: Settings, hostname: str) -> Publisher:
    with many_imports():
        from threadmill_shared.broker.publisher import Publisher  # noqa: PLC0415  it imports Celery

    return Publisher(settings, hostname)


def _encoded(message: TaskMessage) -> bytes:
    return task_message(message.task, message.args, queue=message.queue, task_id=message.id)
