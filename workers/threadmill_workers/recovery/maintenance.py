"""What a worker does on its event loop beside executing runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from threadmill_shared.cancellation import cancel_all
from threadmill_shared.events.notifications import Notifications
from threadmill_workers.consuming.consumer_watchdog import PING_SECONDS, Watchdog
from threadmill_workers.execution.executor import Executor
from threadmill_workers.membership.lease import Lease
from threadmill_workers.metrics.loop_lag import measure_loop_lag
from threadmill_workers.metrics.recorder import MetricsRecorder
from threadmill_workers.recovery.fleet_count import COUNT_SECONDS, FleetCount
from threadmill_workers.recovery.indexing import LOOK_SECONDS, Indexing
from threadmill_workers.recovery.log_compaction import COMPACT_SECONDS, LogCompaction
from threadmill_workers.recovery.reconciliation import COMPARE_SECONDS, Reconciliation
from threadmill_workers.recovery.redelivery import Redelivery
from threadmill_workers.recovery.retries import Retries
from threadmill_workers.recovery.room_check import ROOM_SECONDS, RoomCheck
from threadmill_workers.recovery.state_report import REPORT_SECONDS
from threadmill_workers.recovery.sweep import Sweep

PAUSE_SECONDS = 1.0
"""After maintenance that has failed."""


class Maintenance:
    """Listens for cancelled runs, sweeps and reconciles, until it is closed."""

    def __init__(
        self,
        *,
        executor: Executor,
        lease: Lease,
        notifications: Notifications,
        watchdog: Watchdog,
        sweep: Sweep,
        redelivery: Redelivery,
        reconciliation: Reconciliation,
        indexing: Indexing,
        log_compaction: LogCompaction,
        fleet_count: FleetCount,
        metrics: MetricsRecorder,
        report_state: Callable[[], Awaitable[None]],
        room_check: RoomCheck,
        on_full: Callable[[], None],
    ) -> None:
        """Nothing is done yet.

        Args:
            executor: what executes runs here.
            lease: who this worker is.
            notifications: for the one that tells of cancelled runs.
            watchdog: watches this worker's consumer.
            sweep: looks for dead workers, and for runs that nobody executes.
            redelivery: sends runs again whose message was lost.
            reconciliation: compares the runs that are recorded as this worker's with its own.
            indexing: indexes what the store has.
            log_compaction: compacts the logs of runs that have ended here.
            fleet_count: counts waiting runs; only if metrics are on.
            metrics: takes note of how late the event loop is.
            report_state: writes down what this worker is doing.
            room_check: notices that a full Redis has room again.
            on_full: called whenever something has failed because Redis is full.
        """
        self._executor = executor
        self._lease = lease
        self._notifications = notifications
        self._watchdog = watchdog
        self._sweep = sweep
        self._redelivery = redelivery
        self._reconciliation = reconciliation
        self._indexing = indexing
        self._log_compaction = log_compaction
        self._fleet_count = fleet_count
        self._metrics = metrics
        self._report_state = report_state
        self._room_check = room_check
        self._on_full = on_full
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Begin, on the running event loop, before this worker registers."""
        work = [
            self._every(0, self._listen, "listening for cancelled runs"),
            self._sweep.work(),
            self._every(COMPARE_SECONDS, self._reconciliation.compare, "the comparison of runs"),
            self._every(PING_SECONDS, self._watchdog.check, "the test of the consumer"),
            self._every(REPORT_SECONDS, self._report_state, "the report of the worker's state"),
            self._every(LOOK_SECONDS, self._indexing.look, "indexing", at_once=True),
            self._every(COMPACT_SECONDS, self._log_compaction.compact, "the compaction of logs"),
            self._every(ROOM_SECONDS, self._room_check.look, "the look for room in Redis"),
        ]
        if self._metrics.is_on:
            work.append(measure_loop_lag(self._metrics))
            work.append(self._every(COUNT_SECONDS, self._fleet_count.count, "the count of runs"))
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
        self,
        seconds: float,
        act: Callable[[], Awaitable[None]],
        what: str,
        *,
        at_once: bool = False,
    ) -> None:
        retries = Retries(what, self._lease.is_confirmed, on_full=self._on_full)
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
