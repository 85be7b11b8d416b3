"""What a worker does on its event loop beside executing runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from threadmill_shared.broker.sender import Sender
from threadmill_shared.cancellation import cancel_all
from threadmill_shared.events.notifications import Notifications
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.run import RunRecord
from threadmill_shared.settings import Settings
from threadmill_shared.store.store import Store
from threadmill_workers.consuming.consumer_watchdog import PING_SECONDS, Watchdog
from threadmill_workers.execution.executor import Executor
from threadmill_workers.membership.lease import Lease
from threadmill_workers.metrics.loop_lag import measure_loop_lag
from threadmill_workers.metrics.recorder import MetricsRecorder
from threadmill_workers.recovery.fleet_count import COUNT_SECONDS, FleetCount
from threadmill_workers.recovery.indexing import LOOK_SECONDS, Indexing
from threadmill_workers.recovery.reconciliation import COMPARE_SECONDS, Reconciliation
from threadmill_workers.recovery.redelivery import Redelivery
from threadmill_workers.recovery.retries import Retries
from threadmill_workers.recovery.state_report import REPORT_SECONDS
from threadmill_workers.recovery.sweep import Sweep
from threadmill_workers.recovery.takeover import Takeover

PAUSE_SECONDS = 1.0
"""After maintenance that has failed."""


class Maintenance:
    """Listens for cancelled runs, sweeps and reconciles, until it is closed."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        notifications: Notifications,
        sender: Sender,
        executor: Executor,
        lease: Lease,
        watchdog: Watchdog,
        *,
        report_state: Callable[[], Awaitable[None]],
        metrics: MetricsRecorder,
        on_taken: Callable[[RunRecord], None] = lambda _: None,
        own_queue: str | None = None,
    ) -> None:
        """Nothing is done yet.

        Args:
            settings: for the limit of attempts.
            store: where the runs are.
            notifications: for the one that tells of cancelled runs.
            sender: sends what is found.
            executor: what executes runs here.
            lease: who this worker is.
            watchdog: watches this worker's consumer.
            report_state: writes down what this worker is doing.
            metrics: takes note of what is repaired, and of how late the event loop is.
            on_taken: called with the record of a run that another worker continues.
            own_queue: the only queue that this worker consumes; None: it is one of a fleet.
        """
        self._notifications = notifications
        self._sender = sender
        self._executor = executor
        self._lease = lease
        self._watchdog = watchdog
        self._report_state = report_state
        self._metrics = metrics
        self._own_queue = own_queue
        self._indexing = Indexing(store, lease.holder.id, settings.index_keys)
        takeover = Takeover(
            store,
            self._send,
            max_deaths=settings.max_attempts,
            remove_queue=sender.remove,
            on_taken=on_taken,
            note_recovery=metrics.note_recovery,
        )
        self._redelivery = Redelivery(
            store,
            self._send,
            sender.send_probe,
            own_queue=own_queue,
            note_recovery=metrics.note_recovery,
        )
        self._sweep = Sweep(
            store,
            takeover,
            self._redelivery,
            executor.report_end,
            is_connected=lease.is_confirmed,
            see_workers=self._indexing.see_workers,
        )
        self._reconciliation = Reconciliation(store, executor, lease, takeover)
        self._fleet_count = FleetCount(store, lease, metrics)
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Begin, on the running event loop, before this worker registers."""
        work = [
            self._every(0, self._listen),
            self._sweep.work(),
            self._every(COMPARE_SECONDS, self._reconciliation.compare),
            self._every(PING_SECONDS, self._watchdog.check),
            self._every(REPORT_SECONDS, self._report_state),
            self._every(LOOK_SECONDS, self._indexing.look, at_once=True),
        ]
        if self._metrics.is_on:
            work.append(measure_loop_lag(self._metrics))
            work.append(self._every(COUNT_SECONDS, self._fleet_count.count))
        self._tasks = [asyncio.ensure_future(one) for one in work]

    async def close(self) -> None:
        """End it all."""
        await cancel_all(self._tasks)
        if self._metrics.is_on:
            await self._fleet_count.close()

    async def resend_lost(self, queue: str, until: int) -> None:
        """A probe has come through a queue: send again what was lost there until then."""
        await self._redelivery.resend_lost(queue, until)

    async def take_ping(self, number: int) -> None:
        """A message of this process to itself has arrived."""
        self._watchdog.take_ping(number)

    async def _listen(self) -> None:
        """Stop runs that were cancelled. A message of this worker's channel is a run's id."""
        async with self._notifications.hear(self._lease.holder.channel) as cancelled:
            async for run_id in cancelled:
                self._executor.stop(run_id)

    async def _every(
        self, seconds: float, act: Callable[[], Awaitable[None]], *, at_once: bool = False
    ) -> None:
        name = getattr(act, "__name__", "work").strip("_")
        retries = Retries(f"maintenance ({name})", self._lease.is_confirmed)
        pause = 0.0 if at_once else seconds
        while True:
            await asyncio.sleep(pause)
            pause = seconds
            try:
                await act()
                retries.note_success()
            except Exception as error:  # noqa: BLE001  nobody would notice that it has stopped
                retries.note_failure(error)
                await asyncio.sleep(PAUSE_SECONDS)

    def _send(self, dispatch: Dispatch | None) -> None:
        """Send a run that was found; a worker that is alone takes it itself."""
        if dispatch is not None and self._own_queue is not None:
            dispatch = replace(dispatch, queue=self._own_queue, begun=False)
        self._sender.send(dispatch)
