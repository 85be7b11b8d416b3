"""One worker process: an event loop that executes runs, and a Celery consumer that feeds it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from threadmill_shared.broker import child_runs
from threadmill_shared.broker.queues import Queues
from threadmill_shared.broker.sender import Sender
from threadmill_shared.log_text import OF_PROCESS, counted
from threadmill_shared.model import Model, host_of
from threadmill_shared.records.workers import REPLACE_CODE, WorkerInfo
from threadmill_shared.run_request import RunRequest
from threadmill_shared.settings import Settings
from threadmill_shared.tools.runner import ToolRunner
from threadmill_workers.blocked_loop import find_block
from threadmill_workers.catalog import Catalog
from threadmill_workers.consuming.consumer_service import ConsumerService
from threadmill_workers.consuming.consumer_watchdog import Watchdog
from threadmill_workers.consuming.task_events import TaskEvents, hostname
from threadmill_workers.event_loop import EventLoopThread
from threadmill_workers.execution.provider_health import ProviderHealth
from threadmill_workers.execution.worker_context import WorkerContext
from threadmill_workers.execution.worker_watch import WorkerWatch
from threadmill_workers.log_text import list_counts
from threadmill_workers.membership.identity import WorkerIdentity
from threadmill_workers.membership.lease import Lease, Loop
from threadmill_workers.metrics.worker_metrics import WorkerMetrics
from threadmill_workers.runtime import WorkerRuntime, open_store

logger = logging.getLogger("threadmill.worker")

CLOSE_SECONDS = 4.4
"""How long a worker that ends takes at most to give its runs back, the time of tools included."""


class WorkerProcess:
    """Executes runs until it is closed. Start it, then serve."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        make_model: Callable[[], Model],
        *,
        own_queue: str | None = None,
        only: Sequence[str] = (),
        on_exhausted: Callable[[], None] | None = None,
    ) -> None:
        """A worker that is not started yet.

        Args:
            settings: with the store's URL.
            catalog: what it can execute.
            make_model: called on the event loop, where the model's connections belong.
            own_queue: the only queue to consume; None: the namespace's own three, those of the
                assistants, and one for what only this worker can execute.
            only: queues of assistants, without the namespace; runs of other ones are not taken.
            on_exhausted: called on the event loop if so many abandoned tool calls keep their
                threads that the process must be replaced. None: it is a user's process, which
                continues.
        """
        self.settings = settings
        self.catalog = catalog
        self.identity = WorkerIdentity.of_this_process(settings.namespace)
        self._is_alone = own_queue is not None
        self._own_queue = own_queue or Queues(settings.namespace).own(self.identity.nonce)
        self._make_model = make_model
        self._on_exhausted = on_exhausted
        self._is_stopping = False
        self.queues = [self._own_queue] if own_queue else self._fleets_queues(only)
        self._loop = EventLoopThread()
        name = hostname(self.identity.id)
        self._sender = Sender(settings, hostname=name)
        self._events = TaskEvents(self._loop.loop, self._sender.send_events)
        self._lease = self._make_lease()
        self._runner = self._make_runner()
        self._metrics = WorkerMetrics(
            settings,
            definitions=catalog.definitions.values(),
            running=lambda: self.running,
            tool_threads=self._runner.thread_counts,
        )
        self._consumer = ConsumerService(
            settings, self, queues=self.queues, hostname=name, health=self._sender.health
        )

    def _fleets_queues(self, only: Sequence[str]) -> list[str]:
        queues = Queues(self.settings.namespace)
        assistants = {one.queue for one in self.catalog.definitions.values() if one.queue}
        named = [queues.own(name) for name in sorted({*only} or assistants)]
        common = [] if only else [queues.common, queues.begun]
        begun = [queues.of_begun(name) for name in named]
        return [*common, queues.door, self._own_queue, *named, *begun]

    def _make_lease(self) -> Lease:
        info = WorkerInfo(
            id=self.identity.id,
            worker=self.identity.name,
            since=int(time.time()),
            queue=self._own_queue,
            queues=tuple(self.queues),
        )
        return Lease(
            self.settings,
            self.identity,
            info,
            self.catalog.tool_names(),
            loop=Loop(self._loop.loop, on_late=self._warn_of_block, on_return=_note_return_of_loop),
            on_declared_dead=self._drop_runs,
            on_stuck=self._give_up,
            on_blocked=self._give_up_blocked,
        )

    def _make_runner(self) -> ToolRunner:
        return ToolRunner(
            self.settings.tool_threads,
            self.settings.tool_seconds,
            max_output_bytes=self.settings.max_tool_output_bytes,
            on_exhausted=self._replace,
        )

    def _make_watchdog(self) -> Watchdog:
        return Watchdog(
            lambda number: self._sender.send_ping(self._own_queue, number),
            lambda: self._sender.failures,
            is_busy=lambda: not (self._consumer.has_free_slot() and self._lease.is_confirmed()),
            restart=self._consumer.restart,
            give_up=self._give_up,
        )

    def _drop_runs(self) -> None:
        self._runtime.executor.drop()
        self._runtime.publish_again()

    def _warn_of_block(self) -> None:
        block = find_block(self._loop, self._runner)
        logger.warning(
            "the event loop does not answer, and all runs of this worker wait: %s; make a tool "
            "that blocks a plain def",
            block.what,
            extra=block.fields,
        )

    def _give_up_blocked(self, reason: str) -> None:
        block = find_block(self._loop, self._runner)
        self._give_up(f"{reason}: {block.what}", block.fields)

    def _give_up(self, reason: str, fields: Mapping[str, Any] = OF_PROCESS) -> None:
        """Let this worker be declared dead at once, since it cannot continue, and be replaced."""
        if self._is_alone:  # it is in a user's process, which is not ours to end
            logger.error("%s; the runs of this process may be reassigned", reason, extra=fields)
            return
        logger.critical("%s; this worker exits, and its runs are reassigned", reason, extra=fields)
        logging.shutdown()
        os._exit(1)

    def _replace(self, abandoned: int) -> None:
        """So many tool calls never end that only another process has threads for new ones."""
        calls = counted(abandoned, "tool call")
        tools = list_counts(self._runner.abandoned_tools())
        if self._on_exhausted is None:
            logger.error(
                "%s still run in threads of this process although nobody waits for them (%s); "
                "further ones will delay others: restart the process, and give the tools time "
                "limits of their own",
                calls,
                tools,
                extra=OF_PROCESS,
            )
        elif not self._is_stopping:
            logger.error(
                "%s still run in threads of this worker although nobody waits for them (%s); it "
                "stops taking runs, and exits with code %d to be restarted",
                calls,
                tools,
                REPLACE_CODE,
                extra=OF_PROCESS,
            )
            self._on_exhausted()

    # ---- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, register, and publish what this worker can execute.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        self._loop.start()
        try:
            self._loop.call(self._open())
            self._lease.start()
        except BaseException:
            self._metrics.close()
            raise
        child_runs.offer(self._begin_child, self.queues)

    async def _open(self) -> None:
        model = self._make_model()
        store = await open_store(self.settings)
        provider = ProviderHealth(host_of(model))
        self._metrics.recorder.watch_provider(host_of(model), lambda: provider.condition)
        context = WorkerContext(
            settings=self.settings,
            store=store,
            sender=self._sender,
            lease=self._lease,
            model=model,
            tools=self.catalog.tools,
            runner=self._runner,
            events=self._events,
            worker_watch=WorkerWatch(store.workers),
            metrics=self._metrics.recorder,
            provider=provider,
        )
        self._runtime = WorkerRuntime(
            context,
            self.catalog,
            watchdog=self._make_watchdog(),
            own_queue=self._own_queue if self._is_alone else None,
        )
        self._metrics.start()  # before the worker's state is written, which names the address
        await self._runtime.begin()

    def serve(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Consume messages until `stop_consuming`; `on_ready` is called when that has begun."""
        self._consumer.serve(on_ready)

    def stop_consuming(self) -> None:
        """Take no message any more; those that were taken and not begun go back."""
        self._is_stopping = True
        self._consumer.stop()
        self._loop.begin_unobserved(self._runtime.begin_stopping())

    @property
    def running(self) -> int:
        """Runs in progress."""
        return self._runtime.executor.running

    @property
    def run_ids(self) -> list[str]:
        """The runs in progress."""
        return [held.record.id for held in self._runtime.executor.held()]

    def close(self, tool_seconds: float = 0) -> None:
        """Give all runs back as they stand, tools after `tool_seconds`, and deregister.

        The store may not answer: what is not given back after `CLOSE_SECONDS` is left, and taken
        over from a dead worker.
        """
        closing = threading.Thread(
            target=self._close, args=(tool_seconds,), name="threadmill-close", daemon=True
        )
        closing.start()
        self._metrics.close()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            logger.error(
                "this worker could not release its runs in time; other workers take them over"
            )

    def _close(self, tool_seconds: float) -> None:
        try:
            self._close_in_order(tool_seconds)
        except Exception as error:  # noqa: BLE001  leaving counts; what is left is taken over
            logger.error("this worker could not close: %s", type(error).__name__)

    def _close_in_order(self, tool_seconds: float) -> None:
        child_runs.withdraw()
        self._loop.call(self._runtime.executor.close(tool_seconds))
        self._loop.call(self._flush_events())
        self._sender.close()
        self._lease.close()
        self._loop.call(self._runtime.close())
        self._runner.close()
        self._loop.stop()

    async def _flush_events(self) -> None:
        self._events.flush()

    # ---- what the tasks ask for ------------------------------------------------------------------

    def begin(self, run_id: str, task_id: str) -> Future[None]:
        """Begin to execute a run; done when this process is done with it."""
        return self._loop.begin(self._runtime.executor.execute(run_id, task_id=task_id))

    def begin_resending(self, queue: str, until: int) -> Future[None]:
        """Begin to send again what was lost in a queue until then; done when that is done."""
        return self._loop.begin(self._runtime.maintenance.resend_lost(queue, until))

    def take_ping(self, number: int) -> Future[None]:
        """Take a message of this process to itself."""
        return self._loop.begin(self._runtime.maintenance.take_ping(number))

    def begin_cancelling(self, run_id: str, task_id: str) -> None:
        """Begin to cancel a run, because somebody has revoked its task."""
        self._loop.begin_unobserved(self._runtime.executor.cancel_revoked(run_id, task_id))

    def enqueue_named(self, assistant: str, make: Callable[[Any], RunRequest]) -> str:
        """Enqueue for an assistant that is known by name or id; returns the run's id."""
        return self._loop.call(self._runtime.enqueue_named(assistant, make))

    def _begin_child(self, run_id: str, parent: str) -> None:
        self._loop.begin_unobserved(self._runtime.executor.execute(run_id, parent=parent))


def _note_return_of_loop(seconds: float) -> None:
    logger.warning("the event loop answers again, after %.0f s", seconds)
