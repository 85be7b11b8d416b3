"""The thread that sends messages to Celery's queues.

A message contains only a run's id. Losing one, or delivering it twice, changes only when a run
begins, so a failed send is a warning, not an error.
"""

from __future__ import annotations

import atexit
import contextlib
import queue
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from threadmill_shared import ids
from threadmill_shared.broker.app import ONE_TRY, SEND_SECONDS, make_app
from threadmill_shared.broker.broker_health import BrokerHealth
from threadmill_shared.broker.queues import EXECUTE, PING, PROBE, Queues, declared
from threadmill_shared.broker.task_message import task_message
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.settings import Settings

_DISPATCHERS = 50
"""The number of workers whose events are sent over one connection before their state is dropped."""
_UNSENT_EVENTS = 10_000
"""The most events that are kept while the broker is unreachable."""
_EXIT_SECONDS = 3.0
"""How long an exiting process waits for its last sends."""


EVENTS_LOSS = "monitors such as Flower get them when the broker is back"
_TEST_LOSS = "no run depends on it, and the next one follows"
_TESTS = {PING: "a test message", PROBE: "a probe for lost messages"}


@dataclass(frozen=True)
class _Message:
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
class _Removal:
    """A queue to be removed."""

    queue: str
    loss: str = "its messages stay there"

    def __str__(self) -> str:
        return f"the removal of queue {self.queue}"


@dataclass(frozen=True)
class _TaskEvents:
    """Events for monitors."""

    events: list[Mapping[str, Any]]
    loss: str = EVENTS_LOSS

    def __str__(self) -> str:
        return "events of tasks"


_Job = _Message | _Removal | _TaskEvents

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
        self._outbox: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
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

    def _execute(self, dispatch: Dispatch) -> _Message:
        queue = self._queues.of_begun(dispatch.queue) if dispatch.begun else dispatch.queue
        task_id = ids.new_task_id(dispatch.run_id, dispatch.attempt)
        loss = "the run is stored; a worker sends it again if nobody claims it"
        return _Message(EXECUTE, (dispatch.run_id,), queue, task_id, loss)

    def send_events(self, events: list[Mapping[str, Any]]) -> None:
        """Queue events of tasks for monitors."""
        self._put(_TaskEvents(events))

    def send_probe(self, queue: str, now: int) -> None:
        """Queue a probe for sending: it reveals which messages the queue has lost until now."""
        self._send(_Message(PROBE, (queue, now), queue, str(uuid.uuid4()), _TEST_LOSS))

    def send_ping(self, queue: str, number: int) -> None:
        """Queue a ping to a worker's own queue: it reveals whether its consumer works."""
        self._send(_Message(PING, (number,), queue, str(uuid.uuid4()), _TEST_LOSS))

    def remove(self, queue: str) -> None:
        """Queue the removal of a dead worker's queue, which nobody else would ever consume."""
        self._put(_Removal(queue))

    def _send(self, message: _Message) -> None:
        if self._push is None:
            self._put(message)
            return
        note = partial(self._note_pushed, message)
        self._push(message.queue, _encoded(message), note)

    def _note_pushed(self, message: _Message, error: Exception | None) -> None:
        if error is None:
            self.health.note_success()
        else:
            self._put(message)  # Celery tries once more, and the log tells if it fails

    def _put(self, job: _Job) -> None:
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
        publisher: _Publisher | None = None
        while (job := self._outbox.get()) is not None:
            try:
                publisher = publisher or _Publisher(self._settings, self._hostname)
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

    def _note_failure(self, job: _Job, error: Exception) -> None:
        if isinstance(job, _TaskEvents):
            self._unsent = [*self._unsent, *job.events][-_UNSENT_EVENTS:]
        self.health.note_unsent(str(job), error, job.loss)

    def _send_unsent(self) -> None:
        """The broker is reachable: send it the events that it has missed."""
        unsent, self._unsent = self._unsent, []
        if unsent:
            self._outbox.put(_TaskEvents(unsent))


def _encoded(message: _Message) -> bytes:
    return task_message(message.task, message.args, queue=message.queue, task_id=message.id)


class _Publisher:
    """The sender's connection to the broker."""

    def __init__(self, settings: Settings, hostname: str) -> None:
        self._app = make_app(settings)
        self._hostname = hostname
        self._dispatchers: dict[str, Any] = {}
        given = settings.celery_settings().get("broker_transport_options", {})
        self._app.conf.broker_transport_options = self._app.conf.broker_transport_options | {
            "socket_timeout": given.get("socket_timeout", SEND_SECONDS),
            **ONE_TRY,
        }
        self._connection = self._app.connection_for_write()
        self._producer = self._app.amqp.Producer(self._connection, auto_declare=False)

    def carry_out(self, job: _Job) -> None:
        match job:
            case _Message():
                self._publish(job)
            case _TaskEvents(events):
                self._publish_events(events)
            case _Removal(queue):
                channel = self._connection.default_channel
                channel.queue_purge(queue)  # the runs are found by their index
                channel.queue_delete(queue)

    def _publish_events(self, events: list[Mapping[str, Any]]) -> None:
        for event in events:
            fields = dict(event)
            self._dispatcher(fields.pop("hostname", self._hostname)).send(**fields)
        for dispatcher in self._dispatchers.values():
            dispatcher.flush()

    def _dispatcher(self, hostname: str) -> Any:
        if hostname not in self._dispatchers:
            if len(self._dispatchers) >= _DISPATCHERS:
                self._dispatchers.clear()
            self._dispatchers[hostname] = self._app.events.Dispatcher(
                self._connection,
                hostname=hostname,
                buffer_group={"task"},
                buffer_while_offline=False,  # this connection is dropped, and the next one is new
            )
        return self._dispatchers[hostname]

    def _publish(self, message: _Message) -> None:
        self._app.send_task(
            message.task,
            args=list(message.args),
            queue=declared(message.queue),
            task_id=message.id,
            producer=self._producer,
            retry=False,
        )

    def drop(self) -> None:
        """Disconnect without saying goodbye, which would have to wait for the broker."""
        with contextlib.suppress(Exception):
            self._connection.collect(socket_timeout=SEND_SECONDS / 10)

    def close(self) -> None:
        self._connection.release()
