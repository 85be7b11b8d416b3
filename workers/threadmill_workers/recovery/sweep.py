"""Finds runs that nobody executes any more, and sees to it that somebody does.

Every worker sweeps; two at once do no harm, since each change is a script that compares first. So
that many workers do not scan more often than a few, each one's pauses grow with their number.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

from threadmill_shared.records.changes import CANCEL_MS
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.run import Status
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.parked_runs import unanswered
from threadmill_shared.store.store import Store
from threadmill_workers.membership.failure_detector import BETWEEN_SCANS_SECONDS, FailureDetector
from threadmill_workers.recovery.each import each
from threadmill_workers.recovery.redelivery import SAMPLE, Redelivery
from threadmill_workers.recovery.retries import Retries
from threadmill_workers.recovery.takeover import Takeover

WATCH_SECONDS = 0.3
"""Between two checks of the workers."""
SWEEP_SECONDS = 0.75
"""Between two scans of the indexes."""
ECONOMY = 8
"""So many workers scan as often as one; with more of them, each scans more rarely."""
OVERDUE_GRACE_MS = 10_000
NEW_SERVER_SECONDS = 10.0
"""The clock of a server that took over may differ: so long after it came, nothing expires."""
PAGE = 100
"""Overdue runs of one bucket in one scan; the rest comes with the next."""
OVERDUE = LastError.of(
    "deadline",
    "The run did not end in time: its worker did not end it, and no other worker has continued it.",
)
UNCLAIMED = LastError.of("deadline", "No worker began the run in time (THREADMILL_QUEUE_SECONDS).")


class Sweep:
    """Checks the workers, and scans the indexes of all buckets, again and again."""

    def __init__(
        self,
        store: Store,
        takeover: Takeover,
        redelivery: Redelivery,
        report: Callable[[str], Awaitable[None]],
        *,
        is_connected: Callable[[], bool] = lambda: True,
        see_workers: Callable[[Sequence[WorkerInfo]], Awaitable[None]] | None = None,
    ) -> None:
        """A sweep; `takeover`, `redelivery` and `report` do what follows from what it finds.

        `is_connected` tells whether the worker's lease is confirmed, `see_workers` takes the
        workers that are registered, after each check.
        """
        self._see_workers = see_workers
        self._store = store
        self._takeover = takeover
        self._redelivery = redelivery
        self._report = report
        self._is_connected = is_connected
        self._failure_detector = FailureDetector(store)
        self._holders: frozenset[str] = frozenset()
        self._server = ""
        self._server_since = float("-inf")

    async def work(self) -> None:
        """Sweep for ever."""
        await asyncio.gather(
            self._for_ever(self.check_workers, WATCH_SECONDS, "the check of workers"),
            self._for_ever(self.scan_indexes, SWEEP_SECONDS, "the scan for lost runs"),
        )

    async def _for_ever(
        self, act: Callable[[], Awaitable[None]], seconds: float, what: str
    ) -> None:
        full = self._store.memory_guard.warn
        retries = Retries(what, self._is_connected, on_full=full)
        while True:
            try:
                await act()
                retries.note_success()
            except Exception as error:  # noqa: BLE001  nobody would notice that it has stopped
                retries.note_failure(error)
            await asyncio.sleep(self._pause(seconds))

    def _pause(self, seconds: float) -> float:
        """The pause for which `seconds` stands if few workers scan."""
        rarer = max(1.0, len(self._failure_detector.workers) / ECONOMY)
        pause = seconds * rarer * random.uniform(0.9, 1.1)  # noqa: S311  not a secret
        # Who suspects somebody does not wait for its turn: its second scan is the verdict.
        return (
            min(pause, 1.05 * BETWEEN_SCANS_SECONDS) if self._failure_detector.is_alarmed else pause
        )

    # ---- workers ---------------------------------------------------------------------------------

    async def check_workers(self) -> None:
        """Take over what dead workers have left."""
        dead = await self._failure_detector.find(self._holders)
        if self._see_workers is not None:
            await self._see_workers(self._failure_detector.workers)
        self._note(self._failure_detector.server)
        count = not self._is_server_new()
        await each(
            dead, lambda one: self._takeover.remove_worker(one, count=count), "take over from"
        )

    def _note(self, server: str) -> None:
        if server != self._server:
            is_first = not self._server
            self._server = server
            self._server_since = float("-inf") if is_first else time.monotonic()

    def _is_server_new(self) -> bool:
        return time.monotonic() - self._server_since < NEW_SERVER_SECONDS

    # ---- runs ------------------------------------------------------------------------------------

    async def scan_indexes(self) -> None:
        """End what is overdue, and send what nobody has claimed."""
        scan = await self._store.indexes.scan(overdue=PAGE, unclaimed=SAMPLE)
        self._holders = scan.holders
        if scan.overdue:
            # It may have changed since the last check of the workers, and with it the clock.
            self._note(await self._failure_detector.ask_server())
        if not self._is_server_new():
            await each(scan.overdue, self._end, "end")
        await self._redelivery.probe_queues(
            scan.unclaimed, scan.now, self._failure_detector.workers
        )
        await each(scan.unreported, self._report, "report the end of")

    async def _end(self, run_id: str) -> None:
        """End a run, unless its worker still has time to do it."""
        record = await self._store.runs.record(run_id)
        if record is None:
            return
        if record.status is Status.CANCELLING:
            await self._takeover.end(run_id, CANCEL_MS, None)
        elif record.status is Status.REQUIRES_ACTION:
            error = unanswered(await self._store.parked_runs.calls(run_id))
            await self._takeover.end(run_id, 0, error)
        elif record.started_at is None:
            await self._takeover.end(run_id, 0, UNCLAIMED)
        else:
            await self._takeover.end(run_id, OVERDUE_GRACE_MS, OVERDUE)
