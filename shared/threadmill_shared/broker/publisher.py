"""A connection to Celery's broker, made by Celery."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from threadmill_shared.broker.app import ONE_TRY, SEND_SECONDS, make_app
from threadmill_shared.broker.declarations import declared
from threadmill_shared.broker.jobs import QueueRemoval, SenderJob, TaskEventBatch, TaskMessage
from threadmill_shared.settings import Settings

_DISPATCHERS = 50
"""The number of workers whose events are sent over one connection before their state is dropped."""

_EVENTS_TOGETHER = 250
"""In one message, at most; Celery would send one for each 24, and kombu takes long for each."""


class Publisher:
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

    def carry_out(self, job: SenderJob) -> None:
        """Send it now; raises what Celery raises."""
        match job:
            case TaskMessage():
                self._publish(job)
            case TaskEventBatch(events):
                self._publish_events(events)
            case QueueRemoval(queue):
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
                buffer_limit=_EVENTS_TOGETHER,
                buffer_while_offline=False,  # this connection is dropped, and the next one is new
            )
        return self._dispatchers[hostname]

    def _publish(self, message: TaskMessage) -> None:
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
        """Disconnect."""
        self._connection.release()
