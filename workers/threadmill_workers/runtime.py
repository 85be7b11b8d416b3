"""What a worker process runs on its event loop: its runs, and the maintenance beside them."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from threadmill_shared import errors
from threadmill_shared.broker.sender import Sender
from threadmill_shared.cancellation import cancel_others
from threadmill_shared.events.notifications import Notifications
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.run_request import RunRequest, enqueue_command
from threadmill_shared.settings import Settings
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store
from threadmill_workers.catalog import Catalog
from threadmill_workers.consuming.consumer_watchdog import Watchdog
from threadmill_workers.execution.executor import Executor
from threadmill_workers.execution.worker_context import WorkerContext
from threadmill_workers.recovery.fleet_count import FleetCount
from threadmill_workers.recovery.indexing import Indexing
from threadmill_workers.recovery.log_compaction import LogCompaction
from threadmill_workers.recovery.maintenance import Maintenance
from threadmill_workers.recovery.reconciliation import Reconciliation
from threadmill_workers.recovery.redelivery import Redelivery
from threadmill_workers.recovery.room_check import RoomCheck
from threadmill_workers.recovery.state_report import StateReport
from threadmill_workers.recovery.sweep import Sweep
from threadmill_workers.recovery.takeover import Send, Takeover

logger = logging.getLogger("threadmill.worker")

_LEAVE_SECONDS = 0.5
"""How long what is cancelled at the end, such as a tool, has to stop."""


async def open_store(settings: Settings) -> Store:
    """Connect to the store, on the running event loop, and check that this release can use it.

    Raises:
        StoreUnavailable: Redis does not answer.
        StoreIncompatible: it holds what this release cannot read.
    """
    store = Store(connect(settings.store_url()), settings.namespace)
    try:
        await store.server.ping()
        await store.server.check()
        await store.server.check_format()
    except BaseException:
        await store.close()
        raise
    store.repeat_for(math.inf)  # what a holder writes is repeated until answered
    return store


class WorkerRuntime:
    """The executor and the maintenance of one worker process, with their connections."""

    def __init__(
        self,
        context: WorkerContext,
        catalog: Catalog,
        *,
        watchdog: Watchdog,
        own_queue: str | None,
    ) -> None:
        """Nothing is done yet.

        Args:
            context: what the runs share; its store and its model are closed with the runtime.
            catalog: what the worker can execute.
            watchdog: watches the worker's consumer.
            own_queue: the only queue that the worker consumes; None: it is one of a fleet.
        """
        self._context = context
        self._store = context.store
        context.sender.push_with(self._store.broker_queues.push)
        if context.metrics.is_on:
            self._store.on_round_trip(context.metrics.note_round_trip)
        self._definitions = list(catalog.definitions.values())
        self._notifications = Notifications(context.store.subscription())
        self.executor = Executor(context)
        self._state_report = StateReport(context, catalog, self.executor)
        self.maintenance = self._make_maintenance(watchdog, own_queue)
        self._is_refused = False
        """Whether Redis had no room for its assistants."""
        self._publishing: asyncio.Future[None] | None = None
        """The loop itself would not keep a task that nobody waits for."""

    def _make_maintenance(self, watchdog: Watchdog, own_queue: str | None) -> Maintenance:
        lease, metrics = self._context.lease, self._context.metrics
        send = partial(_send_found, self._context.sender, own_queue)
        takeover = self._make_takeover(send)
        redelivery = self._make_redelivery(send, own_queue)
        indexing = Indexing(self._store, lease.holder.id, self._context.settings.index_keys)
        return Maintenance(
            executor=self.executor,
            lease=lease,
            notifications=self._notifications,
            watchdog=watchdog,
            sweep=self._make_sweep(takeover, redelivery, indexing),
            redelivery=redelivery,
            reconciliation=Reconciliation(self._store, self.executor, lease, takeover),
            indexing=indexing,
            log_compaction=LogCompaction(self._store.logs, self._context.ended_logs),
            fleet_count=FleetCount(self._store, lease, metrics),
            metrics=metrics,
            report_state=self._state_report.write,
            room_check=RoomCheck(self._store, self._publish_refused),
            on_full=self._store.memory_guard.warn,
        )

    def _make_takeover(self, send: Send) -> Takeover:
        return Takeover(
            self._store,
            send,
            max_deaths=self._context.settings.max_attempts,
            remove_queue=self._context.sender.remove,
            on_taken=self._context.events.announce_takeover,
            note_recovery=self._context.metrics.note_recovery,
        )

    def _make_redelivery(self, send: Send, own_queue: str | None) -> Redelivery:
        return Redelivery(
            self._store,
            send,
            self._context.sender.send_probe,
            own_queue=own_queue,
            note_recovery=self._context.metrics.note_recovery,
        )

    def _make_sweep(self, takeover: Takeover, redelivery: Redelivery, indexing: Indexing) -> Sweep:
        return Sweep(
            self._store,
            takeover,
            redelivery,
            self.executor.report_end,
            is_connected=self._context.lease.is_confirmed,
            see_workers=indexing.see_workers,
        )

    async def begin(self) -> None:
        """Begin the maintenance, write the worker's state, and publish its assistants."""
        await self.maintenance.begin()
        await self._state_report.write()
        if self._definitions:
            await self._publish()

    def publish_again(self) -> None:
        """Publish its assistants once more: Redis may have lost them with its other data."""
        if self._definitions:
            self._publishing = asyncio.ensure_future(self._publish())

    def _publish_refused(self) -> None:
        """Publish its assistants if Redis had no room for them, and has now."""
        if self._is_refused:
            self.publish_again()

    async def _publish(self) -> None:
        self._is_refused = False
        try:
            await self._store.assistants.publish(self._definitions)
        except errors.StoreFull:
            # Runs of a dead worker cannot wait until there is room; assistants are known already.
            self._is_refused = True
            self._store.memory_guard.warn()
            logger.warning(
                "this worker's assistants were not published, since Redis is full (maxmemory); they"
                " are as soon as there is room"
            )

    async def enqueue_named(self, assistant: str, make: Callable[[Any], RunRequest]) -> str:
        """Enqueue for an assistant that is known by name or id; returns the run's id."""
        definition = await self._store.assistants.load(assistant)
        command = enqueue_command(make(definition), self._context.settings)
        enqueued = await self._store.runs.enqueue(command)
        self._context.sender.send(enqueued.send)
        return enqueued.run_id

    async def begin_stopping(self) -> None:
        """Tell those who look at the fleet that this worker takes no run any more.

        Runs that wait for another worker wait at another one.
        """
        self.executor.begin_draining()
        await self._state_report.begin_stopping()

    async def close(self) -> None:
        """End the maintenance, and close the connections; no run is executed any more."""
        await self.maintenance.close()
        await self._store.broker_queues.drain()  # what sends it is cancelled next
        await cancel_others(_LEAVE_SECONDS)  # a tool may ignore it
        await self._notifications.close()
        await self._context.model.close()
        self._context.sender.push_with(None)
        await self._store.close()


def _send_found(sender: Sender, own_queue: str | None, dispatch: Dispatch | None) -> None:
    """Send a run that was found; a worker that is alone takes it itself."""
    if dispatch is not None and own_queue is not None:
        dispatch = replace(dispatch, queue=own_queue, begun=False)
    sender.send(dispatch)
