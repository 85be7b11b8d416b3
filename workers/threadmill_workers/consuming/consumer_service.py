"""Keeps a Celery consumer running, in the thread that asks for it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from celery.worker import state
from kombu.asynchronous import set_event_loop

from threadmill_shared.broker.app import make_app
from threadmill_shared.broker.broker_health import BrokerHealth
from threadmill_shared.broker.queues import Queues
from threadmill_shared.settings import Settings
from threadmill_shared.store.connections import is_full, is_passing
from threadmill_workers.consuming.consumer import RunConsumer, consumed_queues, name_connections
from threadmill_workers.consuming.controller import Controller
from threadmill_workers.consuming.pool import RunPool
from threadmill_workers.consuming.tasks import TaskHost, register_tasks
from threadmill_workers.log_text import describe_error

logger = logging.getLogger("threadmill.worker")

RESTART_PAUSE_SECONDS = 0.5
"""How long a consumer that has ended by itself rests before it is started again."""
LOG_SECONDS = 10.0
MOST_LINES = 5
"""In so many seconds, that it has ended: one that ends at once would fill the log."""


class ConsumerService:
    """Feeds a worker process with the messages of its queues."""

    def __init__(
        self,
        settings: Settings,
        host: TaskHost,
        *,
        queues: Sequence[str],
        hostname: str,
        health: BrokerHealth,
    ) -> None:
        """A consumer that is not started yet.

        Args:
            settings: with the broker's URL.
            host: executes what the messages ask for.
            queues: what is consumed.
            hostname: the worker's name among Celery's.
            health: is told whether the broker can be used.
        """
        self._settings = settings
        self._host = host
        self._queues = list(queues)
        self._hostname = hostname
        self._health = health
        self._controller: Controller | None = None
        self._is_stopping = threading.Event()
        self._ends = 0
        self._logged: deque[float] = deque(maxlen=MOST_LINES)

    def serve(self, on_ready: Callable[[], None]) -> None:
        """Consume messages until `stop`.

        A consumer that ends by itself is started again: something in a queue that is no message at
        all ends Celery's, and the runs in progress have nothing to do with it.

        Args:
            on_ready: called once, when the first consumer is connected.
        """
        ready = _Once(on_ready)
        self._consume(ready)
        while not self._is_stopping.wait(RESTART_PAUSE_SECONDS):
            self._log_end()
            self._consume(ready)

    def _log_end(self) -> None:
        error = self._controller.failure if self._controller else None
        if error is not None and (is_passing(error) or is_full(error)):
            self._health.note_disconnected(error)
            return
        self._ends += 1
        now = time.monotonic()
        if len(self._logged) < MOST_LINES or now - self._logged[0] >= LOG_SECONDS:
            self._logged.append(now)
            logger.error(
                "the consumer ended by itself (%s); ends so far: %d; restarting it",
                "without an error" if error is None else describe_error(error),
                self._ends,
            )

    def stop(self) -> None:
        """Take no message any more; those that were taken and not begun go back."""
        self._is_stopping.set()
        self.restart()

    def restart(self) -> None:
        """End the consumer; `serve` starts another one, unless the service was stopped."""
        state.should_stop = 0
        hub = getattr(getattr(self._controller, "consumer", None), "hub", None)
        if hub is not None:
            hub.call_soon(lambda: None)

    def has_free_slot(self) -> bool:
        """Whether a message that is sent now would be taken."""
        # What waits for the store takes slots too, and has not begun.
        is_full = len(state.reserved_requests) >= self._settings.concurrency
        return not is_full and not self._is_stopping.is_set()

    def _consume(self, on_ready: Callable[[], None]) -> None:
        state.should_stop = None  # Celery keeps it per process, from a consumer before this one
        if self._is_stopping.is_set():
            return
        set_event_loop(None)
        self._controller = self._make_controller(on_ready)
        self._controller.start()

    def _make_controller(self, on_ready: Callable[[], None]) -> Controller:
        settings = self._settings
        app = make_app(settings)
        register_tasks(app, self._host, settings.namespace)
        if Queues(settings.namespace).is_embedded(self._queues[0]):
            app.conf.broker_transport_options |= name_connections(self._hostname)
        app.conf.task_queues = consumed_queues(self._queues, settings.namespace)
        return Controller(
            app=app,
            hostname=self._hostname,
            concurrency=settings.concurrency,
            consumer_cls=partial(RunConsumer, health=self._health),
            pool_cls=RunPool,
            loglevel="WARNING",
            ready_callback=lambda consumer: _announce_ready(consumer, on_ready),
            without_gossip=True,
            without_mingle=True,
        )


def _announce_ready(consumer: Any, on_ready: Callable[[], None]) -> None:
    consumer.pool.when_free = consumer.wake_if_full
    on_ready()


class _Once:
    """Calls a function at the first call only."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._was_called = False

    def __call__(self) -> None:
        if not self._was_called:
            self._was_called = True
            self._act()
