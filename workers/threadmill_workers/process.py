"""One worker process: an event loop that executes runs, and a Celery consumer that feeds it."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from celery.worker import state
from kombu.asynchronous import set_event_loop

from threadmill_shared import child_runs, errors
from threadmill_shared.broker.app import make_app
from threadmill_shared.broker.queues import Queues
from threadmill_shared.broker.sender import Sender
from threadmill_shared.cancellation import cancel_others
from threadmill_shared.events.notifications import Notifications
from threadmill_shared.model import Model
from threadmill_shared.run_request import RunRequest, enqueue_command
from threadmill_shared.settings import Settings
from threadmill_shared.store.assistants import Assistants
from threadmill_shared.store.connections import connect
from threadmill_shared.store.format import check_format
from threadmill_shared.store.runs import Store
from threadmill_shared.store.server_check import check_server
from threadmill_shared.store.workers import WorkerInfo
from threadmill_shared.tools.runner import ToolRunner
from threadmill_workers.catalog import Catalog
from threadmill_workers.consuming.consumer import RunConsumer, consumed_queues
from threadmill_workers.consuming.consumer_watchdog import Watchdog
from threadmill_workers.consuming.controller import Controller
from threadmill_workers.consuming.pool import RunPool
from threadmill_workers.consuming.task_events import TaskEvents, hostname
from threadmill_workers.consuming.tasks import register_tasks
from threadmill_workers.execution.executor import Executor
from threadmill_workers.execution.worker_context import WorkerContext
from threadmill_workers.membership.identity import WorkerIdentity
from threadmill_workers.membership.lease import Lease, Loop
from threadmill_workers.recovery.maintenance import Maintenance

logger = logging.getLogger("threadmill.worker")

T = TypeVar("T")

CLOSE_SECONDS = 4.4
"""How long a worker that ends takes at most to give its runs back, the time of tools included."""
CONSUMER_PAUSE_SECONDS = 0.5
_LEAVE_SECONDS = 0.5
"""How long a consumer that has ended by itself rests before it is started again."""


class WorkerProcess:
    """Executes runs until it is closed. Start it, then serve."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        make_model: Callable[[], Model],
        *,
        own_queue: str | None = None,
    ) -> None:
        """A worker that is not started yet.

        Args:
            settings: with the store's URL.
            catalog: what it can execute.
            make_model: called on the event loop, where the model's connections belong.
            own_queue: the only queue to consume; None: the namespace's own three, those of the
                assistants, and one for what only this worker can execute.
        """
        self.settings = settings
        self.catalog = catalog
        self.holder = WorkerIdentity.of_this_process(settings.namespace)
        self._is_alone = own_queue is not None
        self._own_queue = own_queue or Queues(settings.namespace).own(self.holder.nonce)
        self._make_model = make_model
        self.queues = [self._own_queue] if own_queue else self._common_queues()
        self._loop = _new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="threadmill-loop", daemon=True)
        self._hostname = hostname(self.holder.id)
        self._sender = Sender(settings, hostname=self._hostname)
        self._events = TaskEvents(self._loop, self._sender.send_events)
        self._lease = self._make_lease()
        self._runner = ToolRunner(
            settings.tool_threads,
            settings.tool_seconds,
            max_output_bytes=settings.max_tool_output_bytes,
        )
        self._controller: Controller | None = None
        self._is_stopping = threading.Event()

    def _common_queues(self) -> list[str]:
        queues = Queues(self.settings.namespace)
        own = {queues.own(d.queue) for d in self.catalog.definitions.values()}
        return [
            *(queues.common, queues.begun, queues.door, self._own_queue),
            *sorted(own - {queues.common}),
        ]

    def _make_lease(self) -> Lease:
        info = WorkerInfo(
            id=self.holder.id,
            worker=self.holder.name,
            since=int(time.time()),
            queue=self._own_queue,
            queues=tuple(self.queues),
        )
        return Lease(
            self.settings,
            self.holder,
            info,
            self.catalog.tool_names(),
            loop=Loop(self._loop),
            on_buried=self._drop_runs,
            on_stuck=self._stuck,
        )

    def _make_watchdog(self) -> Watchdog:
        def is_busy() -> bool:
            # What waits for the store takes slots too, and has not begun.
            is_full = len(state.reserved_requests) >= self.settings.concurrency
            return is_full or self._is_stopping.is_set() or not self._lease.is_confirmed()

        return Watchdog(
            lambda number: self._sender.send_ping(self._own_queue, number),
            lambda: self._sender.failures,
            is_busy=is_busy,
            restart=self._end_consumer,
            give_up=self._stuck,
        )

    def _drop_runs(self) -> None:
        self._executor.drop()

    def _stuck(self, reason: str) -> None:
        """Without beats this worker is as good as dead; let it be so at once, and be replaced."""
        if self._is_alone:  # it is in a user's process, which is not ours to end
            logger.error("%s; runs of this process may go on elsewhere", reason)
            return
        logger.critical("%s; this worker ends, and its runs go on elsewhere", reason)
        logging.shutdown()
        os._exit(1)

    # ---- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, register, and publish what this worker can execute.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        self._thread.start()
        self.call(self._open())
        self._lease.start()
        child_runs.offer(self._begin_child)

    def serve(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Consume messages until `stop_consuming`.

        A consumer that ends by itself is started anew: something in a queue that is no message at
        all ends Celery's, and the runs in progress have nothing to do with it.
        """
        ready = _Once(on_ready)
        self._consume(ready)
        while not self._is_stopping.wait(CONSUMER_PAUSE_SECONDS):
            logger.error("the consumer has ended by itself; it is started again")
            self._consume(ready)

    def _consume(self, on_ready: Callable[[], None]) -> None:
        state.should_stop = None  # Celery keeps it per process, from a consumer before this one
        if self._is_stopping.is_set():
            return
        set_event_loop(None)
        app = make_app(self.settings)
        register_tasks(app, self, self.settings.namespace)
        app.conf.task_queues = consumed_queues(self.queues, self.settings.namespace)
        self._controller = Controller(
            app=app,
            hostname=self._hostname,
            concurrency=self.settings.concurrency,
            consumer_cls=RunConsumer,
            pool_cls=RunPool,
            loglevel="WARNING",
            ready_callback=lambda consumer: self._ready(consumer, on_ready),
            without_gossip=True,
            without_mingle=True,
        )
        self._controller.start()

    def _ready(self, consumer: Any, on_ready: Callable[[], None]) -> None:
        consumer.pool.when_free = consumer.wake_if_full
        on_ready()

    def stop_consuming(self) -> None:
        """Take no message any more; those that were taken and not begun go back."""
        self._is_stopping.set()
        self._end_consumer()

    def _end_consumer(self) -> None:
        """End the consumer; unless the worker is to stop, `serve` starts another one."""
        state.should_stop = 0
        hub = getattr(getattr(self._controller, "consumer", None), "hub", None)
        if hub is not None:
            hub.call_soon(lambda: None)

    @property
    def running(self) -> int:
        """Runs in progress."""
        return self._executor.running

    def close(self, tool_seconds: float = 0) -> None:
        """Give all runs back as they stand, tools after `tool_seconds`, and deregister.

        The store may not answer: what is not given back after `CLOSE_SECONDS` is left, and taken
        over from a dead worker.
        """
        closing = threading.Thread(
            target=self._close, args=(tool_seconds,), name="threadmill-close", daemon=True
        )
        closing.start()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            logger.error("the worker could not give its runs back in time; others take them over")

    def _close(self, tool_seconds: float) -> None:
        try:
            self._give_all_back(tool_seconds)
        except Exception as error:  # noqa: BLE001  leaving counts; what is left is taken over
            logger.error("the worker did not close: %s", type(error).__name__)

    def _give_all_back(self, tool_seconds: float) -> None:
        child_runs.withdraw()
        self.call(self._executor.close(tool_seconds))
        self.call(self._flush_events())
        self._sender.close()
        self._lease.close()
        self.call(self._shut())
        self._runner.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on this process's event loop, from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    # ---- what the tasks ask for ------------------------------------------------------------------

    def begin(self, run_id: str, task_id: str) -> Future[None]:
        """Begin to execute a run; done when this process is done with it."""
        work = self._executor.execute(run_id, task_id=task_id)
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def probed(self, queue: str, until: int) -> Future[None]:
        """Send again what was lost in a queue until then; done when that is done."""
        return asyncio.run_coroutine_threadsafe(self._maintenance.probed(queue, until), self._loop)

    def pinged(self, number: int) -> Future[None]:
        """Take a message of this process to itself."""
        return asyncio.run_coroutine_threadsafe(self._maintenance.pinged(number), self._loop)

    def revoked(self, run_id: str, task_id: str) -> None:
        """Cancel a run, soon, because somebody has revoked its task."""
        work = self._executor.cancel_revoked(run_id, task_id)
        _report(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _begin_child(self, run_id: str, parent: str) -> None:
        work = self._executor.execute(run_id, parent=parent)
        _report(asyncio.run_coroutine_threadsafe(work, self._loop))

    def enqueue_named(self, assistant: str, make: Callable[[Any], RunRequest]) -> str:
        """Enqueue for an assistant that is known by name or id; returns the run's id."""
        return self.call(self._enqueue_named(assistant, make))

    async def _enqueue_named(self, assistant: str, make: Callable[[Any], RunRequest]) -> str:
        definition = await Assistants(self._store).load(assistant)
        enqueued = await self._store.enqueue(enqueue_command(make(definition), self.settings))
        self._sender.send(enqueued.send)
        return enqueued.run_id

    # ---- on the loop -----------------------------------------------------------------------------

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    async def _open(self) -> None:
        client = connect(self.settings.store_url())
        self._store = Store(client, self.settings.namespace)
        await self._store.read("PING")
        await check_server(self._store)
        await check_format(self._store)
        self._store.scripts.patience = math.inf  # what a holder writes is repeated until answered
        self._notifications = Notifications(client)
        self._model = self._make_model()
        context = WorkerContext(
            settings=self.settings,
            store=self._store,
            sender=self._sender,
            lease=self._lease,
            model=self._model,
            tools=self.catalog.tools,
            runner=self._runner,
            events=self._events,
        )
        self._executor = Executor(context)
        self._maintenance = Maintenance(
            *(
                self.settings,
                self._store,
                self._notifications,
                self._sender,
                self._executor,
                self._lease,
            ),
            self._make_watchdog(),
            on_taken=self._events.taken_over,
            own_queue=self._own_queue if self._is_alone else None,
        )
        self._maintenance.begin()
        if self.catalog.definitions:
            await self._publish()

    async def _publish(self) -> None:
        try:
            await Assistants(self._store).publish(self.catalog.definitions.values())
        except errors.StoreFull:
            # Runs of a dead worker cannot wait until there is room; assistants are known already.
            logger.warning("Redis is full (maxmemory); this worker's assistants are not published")

    async def _flush_events(self) -> None:
        self._events.flush()

    async def _shut(self) -> None:
        await self._maintenance.close()
        await cancel_others(_LEAVE_SECONDS)  # a tool may ignore it
        await self._notifications.close()
        await self._model.close()
        await self._store.close()


def _report(work: Future[None]) -> None:
    """Have it logged where work fails that nobody waits for."""

    def look(ended: Future[None]) -> None:
        if not ended.cancelled() and (error := ended.exception()) is not None:
            logger.error("work in the background failed: %s", type(error).__name__)

    work.add_done_callback(look)


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415  not to be had on every platform
    except ImportError:
        return asyncio.new_event_loop()  # does the same, slower
    return uvloop.new_event_loop()


class _Once:
    """Calls a function at the first call only."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._is_done = False

    def __call__(self) -> None:
        if not self._is_done:
            self._is_done = True
            self._act()
