"""Celery's consumer, as this worker needs it: it takes what it can start, and says what it does.

A message of ours carries only a run's id, and a run that nobody executes is found by its index.
So run messages are not kept as unacknowledged while they are executed, which would cost the broker
five commands each; and the events for monitoring go out four times a second, not one by one.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from celery import signals
from celery.worker import state
from celery.worker.consumer import Consumer
from kombu.exceptions import OperationalError

from threadmill_shared.broker.broker_health import BrokerHealth
from threadmill_shared.broker.declarations import declared
from threadmill_shared.broker.jobs import EVENTS_LOSS
from threadmill_shared.broker.queues import Queues
from threadmill_shared.store.connections import is_full, is_passing

logger = logging.getLogger("threadmill.worker")

# Celery's line about a lost connection, with the error's words; `BrokerHealth` has a better one.
logging.getLogger(Consumer.__module__).addFilter(lambda record: record.msg != "%s (%r)")

EVENT_SECONDS = 0.25
PAUSES = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2.0}
"""Seconds between two tries to reach a broker that is away."""
UNKNOWN = "(unknown)"
_SHOWN_CHARACTERS = 100


def consumed_queues(names: list[str], namespace: str) -> list[Any]:
    """The queues, as Celery consumes them: only the door's messages are acknowledged late."""
    door = Queues(namespace).door
    return [declared(name, no_ack=name != door) for name in names]


def name_connections(hostname: str) -> dict[str, str]:
    """Options by which the connections to an embedded server can be told from those of others.

    Its socket gives them no address. Elsewhere users may not have the right to name connections.
    """
    return {"client_name": f"threadmill-{_nonce(hostname)}"}


class RunConsumer(Consumer):
    """Wakes when a slot frees, and gathers events before it sends them."""

    _is_flush_due = False

    def __init__(self, *arguments: Any, health: BrokerHealth, **options: Any) -> None:
        """Celery's consumer.

        Args:
            arguments: Celery's.
            health: is told when the broker cannot be used, which Celery would log at each try.
            options: Celery's.
        """
        super().__init__(*arguments, **options)
        self._health = health

    def on_send_event_buffered(self) -> None:
        """Send the buffered events soon; called from pool threads too."""
        if self.hub is not None and not self._is_flush_due:
            self._is_flush_due = True
            self.hub.call_soon(self._flush_later)

    def _flush_later(self) -> None:
        self.hub.call_later(EVENT_SECONDS, self._flush_gathered)

    def _flush_gathered(self) -> None:
        self._is_flush_due = False
        try:
            self._flush_events()
        except (*self.connection_errors, OperationalError) as error:
            self._health.note_disconnected(error)  # the consumer's own use of it finds that, too
        except Exception as error:
            if not is_passing(error) and not is_full(error):
                raise
            self._health.note_unsent("events of tasks", error, EVENTS_LOSS)

    def wake_if_full(self) -> None:
        """Look for the next message, if no slot was free until now.

        A full consumer takes nothing, and would notice a free slot only when something else happens
        on its connection.
        """
        if self.hub is not None and len(state.reserved_requests) >= self.pool.num_processes - 1:
            self.hub.call_soon(_nothing)

    def stop(self) -> None:
        """Stop consuming, and delete the queue that only this worker consumes."""
        broken = (*self.connection_errors, *self.channel_errors, OperationalError)
        with contextlib.suppress(*broken):
            self._end_wait()
        own = self._own_queues()
        if own and self.task_consumer is not None:
            with contextlib.suppress(*broken):
                self.task_consumer.cancel()
                self.task_consumer.channel.close()  # puts back what it was about to deliver
                self._delete(own)
        super().stop()

    def _end_wait(self) -> None:
        """Have Redis answer at once what this consumer waits for.

        Its channel closes when it has that answer, and Redis would take a second for it, since a
        message may come. Only another connection can say so; it knows this one by its port, or by
        its name.
        """
        channel: Any = getattr(self.task_consumer, "channel", None)
        if not getattr(channel, "_in_poll", None):  # only channels to Redis have it
            return
        sock = channel.client.connection._sock  # noqa: SLF001  nothing else knows its port
        if sock is None:
            return
        is_own = _is_connection(sock.getsockname(), channel.client_name)
        with channel.conn_or_acquire() as other:
            for one in other.client_list(_type="normal"):
                if is_own(one):
                    other.client_unblock(int(one["id"]))

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, with pauses that stay short.

        By Celery's own, which grow to half a minute, a worker would take nothing long after its
        broker is back.
        """
        connect = conn.ensure_connection
        conn.ensure_connection = lambda _, *limits, **options: connect(
            self._note_failed_try, *limits, **options, **PAUSES
        )
        return super().ensure_connected(conn)

    def on_ready(self) -> None:
        """Take note that it consumes; a replica, for example, can be connected, and not used."""
        self._health.note_success()
        super().on_ready()

    def _note_failed_try(self, error: Exception, _pause: float) -> None:
        self._health.note_disconnected(error)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Take note that the broker cannot be reached."""
        self._health.note_disconnected(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Take note that the connection is lost, and clear it away."""
        self._health.note_disconnected(exc)
        super().on_connection_error_after_connected(exc)

    def _own_queues(self) -> list[str]:
        nonce = _nonce(self.hostname)
        return [name for name in self.app.amqp.queues if name.endswith(f".{nonce}")]

    def _delete(self, names: list[str]) -> None:
        once = {"max_retries": 1, "interval_start": 0}
        with self.app.connection_for_write(transport_options=once) as connection:
            for name in names:
                connection.default_channel.queue_purge(name)  # the runs are found by their index
                connection.default_channel.queue_delete(name)

    # ---- messages that are not ours --------------------------------------------------------------

    # Celery would log their bodies, which may hold what a user has said. A name and an id are
    # enough to find the sender; the exception is left out too, since its words may quote the body.

    def on_unknown_message(self, body: Any, message: Any) -> None:  # noqa: ARG002  Celery's
        """Refuse what is no task at all."""
        logger.warning("message %s is not a task; it was deleted", _id(message))
        message.reject_log_error(logger, self.connection_errors)
        signals.task_rejected.send(sender=self, message=message, exc=None)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002
        """Refuse a task that this worker does not have; its sender may have misspelt the name."""
        name, id = _name(message), _id(message)
        logger.error("task %s was refused: there is no task named %s", id, name)
        message.reject_log_error(logger, self.connection_errors)
        if self.event_dispatcher:
            failed = f"NotRegistered({name!r})"
            self.event_dispatcher.send("task-failed", uuid=id, exception=failed)
        signals.task_unknown.send(sender=self, message=message, exc=exc, name=name, id=id)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002
        """Refuse a task whose message is not as Celery makes them."""
        logger.error(
            "task %s (%s) was refused: its message is malformed (%s)",
            _id(message),
            _name(message),
            type(exc).__name__,
        )
        message.reject_log_error(logger, self.connection_errors)
        signals.task_rejected.send(sender=self, message=message, exc=exc)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Drop a message that cannot be read; acknowledged, or it would come again and again."""
        logger.error(
            "task %s (%s) was dropped: it cannot be decoded (%s)",
            _id(message),
            _name(message),
            type(exc).__name__,
        )
        message.ack()


def _nonce(hostname: str) -> str:
    return hostname.rpartition(":")[2]


def _is_connection(address: Any, name: str | None) -> Callable[[Mapping[str, str]], bool]:
    """Whether a client, as Redis lists it, is the one of this address; at a socket, by its name."""
    if not isinstance(address, tuple):
        return lambda client: client["name"] == name and client["cmd"] == "brpop"
    host, port = address[:2]
    return lambda client: client["addr"] in (f"{host}:{port}", f"[{host}]:{port}")


def _name(message: Any) -> str:
    return _shown(message, "task")


def _id(message: Any) -> str:
    return _shown(message, "id")


def _shown(message: Any, field: str) -> str:
    """A field of the headers; in Celery's first protocol, of the body."""
    for read in (lambda: message.headers, lambda: message.payload):
        with contextlib.suppress(Exception):
            return " ".join(str(read()[field])[:_SHOWN_CHARACTERS].split())
    return UNKNOWN


def _nothing() -> None:
    """Waking the loop is the purpose: it looks for free slots before it waits again."""
