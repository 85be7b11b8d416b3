"""Celery's consumer, as this worker needs it: it takes what it can start, and says what it does.

A message of ours carries only a run's id, and a run that nobody executes is found by its index.
So run messages are not kept as unacknowledged while they are executed, which would cost the broker
five commands each; and the events for monitoring go out four times a second, not one by one.
"""

from __future__ import annotations

from typing import Any

from celery.worker import state
from celery.worker.consumer import Consumer
from kombu.entity import Queue

from threadmill_shared.messaging import Queues

EVENT_SECONDS = 0.25


def declared(names: list[str], namespace: str) -> list[Any]:
    """The queues, as Celery consumes them: only the door's messages are acknowledged late."""
    door = Queues(namespace).door
    return [Queue(name, routing_key=name, no_ack=name != door) for name in names]


class RunConsumer(Consumer):
    """Wakes when a slot frees, and gathers events before it sends them."""

    _is_flush_due = False

    def on_send_event_buffered(self) -> None:
        """Send the buffered events soon; called from pool threads too."""
        if self.hub is not None and not self._is_flush_due:
            self._is_flush_due = True
            self.hub.call_soon(self._flush_later)

    def _flush_later(self) -> None:
        self.hub.call_later(EVENT_SECONDS, self._flush_gathered)

    def _flush_gathered(self) -> None:
        self._is_flush_due = False
        self._flush_events()

    def wake_if_full(self) -> None:
        """Look for the next message, if no slot was free until now.

        A full consumer takes nothing, and would notice a free slot only when something else happens
        on its connection.
        """
        if self.hub is not None and len(state.reserved_requests) >= self.pool.num_processes - 1:
            self.hub.call_soon(_nothing)


def _nothing() -> None:
    """Waking the loop is the purpose: it looks for free slots before it waits again."""
