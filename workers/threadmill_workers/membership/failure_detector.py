"""Which workers are dead.

Two things tell it. A killed process's connection leaves the server's list within milliseconds. A
process that is frozen or cut off keeps its connection, but its lease expires. Each verdict takes
two scans, and only a server that answers all the time can prove anything: one that was stopped for
a while makes every lease expire, and breaks connections, all at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.connections import ANSWER_SECONDS
from threadmill_shared.store.store import Store
from threadmill_shared.store.worker_scanner import WorkerScan
from threadmill_workers.membership.heartbeat import LEASE_MS
from threadmill_workers.membership.lease import BEAT_SECONDS

PROMPT_SECONDS = 1.0
"""A scan that took longer proves nothing."""
SETTLED_SECONDS = 3 * BEAT_SECONDS
"""How long a server must have answered promptly until lost connections prove anything."""
SECOND_SCAN_SECONDS = 0.15
"""A worker whose connection was merely lost has registered again by then."""
BETWEEN_SCANS_SECONDS = 2 * BEAT_SECONDS
"""A worker whose lease had merely lapsed has beaten again by then."""
_LEASE = LEASE_MS / 1000
"""Its last heartbeat was so long before its lease was first missed."""


@dataclass(frozen=True)
class Dead:
    """A verdict."""

    worker: str
    """The worker's id."""
    registration: str
    """What it was judged by; empty: it holds runs and is not registered."""
    expired: bool
    """Whether its lease tells it, and not its connection."""
    silent_since: float | None = field(default=None, compare=False)
    """When it last gave a sign of life, by the detector's clock."""

    def __str__(self) -> str:
        return self.worker


class FailureDetector:
    """Scans again and again, and remembers what it found."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._suspected: dict[str, tuple[str, float]] = {}
        """Workers without a lease: their registration, and when they were first seen without."""
        self._settled_since = float("-inf")
        self._scanned_at: float | None = None
        self._scanner = store.workers.scanner()
        self.server = ""
        self.workers: list[WorkerInfo] = []
        """Those that were registered at the last scan."""
        self.is_alarmed = False
        """Whether somebody may be dead, which another scan, soon, will show."""

    async def find(self, holders: Iterable[str] = ()) -> list[Dead]:
        """Scan, and return the verdicts; `holders` are workers that are known to hold runs."""
        scan = await self._scan(holders)
        if scan is None:
            return []
        found = self._without_lease(scan)
        gone, is_settled = scan.disconnected(), scan.at - self._settled_since >= SETTLED_SECONDS
        self.is_alarmed = bool(self._suspected) or (bool(gone) and not is_settled)
        if gone and is_settled:
            await asyncio.sleep(SECOND_SCAN_SECONDS)
            again = await self._scan(holders)
            if again is not None:
                found += _disconnected(scan, again)
        return found

    async def ask_server(self) -> str:
        """Ask the server again for its id; empty if it may not be asked."""
        return await self._scanner.server_id()

    # ---- scanning --------------------------------------------------------------------------------

    async def _scan(self, holders: Iterable[str]) -> WorkerScan | None:
        """A scan; None if it proves nothing."""
        begun_at = self._clock()
        scan = await self._scanner.scan(self.workers, holders, at=begun_at)
        is_prompt = self._clock() - begun_at <= PROMPT_SECONDS
        if not is_prompt or scan.server != (self.server or scan.server):
            self._suspected.clear()
            self._settled_since = self._clock()
        elif self._scanned_at is not None and begun_at - self._scanned_at >= ANSWER_SECONDS:
            # Between two scans of a large fleet's worker, a server may stand still unseen, and for
            # so long that connections are given up.
            self._settled_since = begun_at
        self._scanned_at = begun_at
        self.server = scan.server
        self.workers = scan.workers
        return scan if is_prompt else None

    # ---- judging ---------------------------------------------------------------------------------

    def _without_lease(self, scan: WorkerScan) -> list[Dead]:
        """Those that had none at an earlier scan either, under the same registration."""
        dead, suspected = [], {}
        for worker in scan.without_lease:
            registration = scan.registered.get(worker, "")
            known, since = self._suspected.get(worker, ("", scan.at))
            if known != registration:
                since = scan.at
            if scan.at - since >= BETWEEN_SCANS_SECONDS:
                dead.append(Dead(worker, registration, expired=True, silent_since=since - _LEASE))
            suspected[worker] = (registration, since)
        self._suspected = suspected
        return dead


def _disconnected(first: WorkerScan, second: WorkerScan) -> list[Dead]:
    """Those that both scans miss, on the same server, under the same registration."""
    if first.server != second.server:
        return []
    return [
        Dead(worker, first.registered[worker], expired=False, silent_since=first.at)
        for worker in first.disconnected() & second.disconnected()
        if first.registered[worker] == second.registered[worker]
    ]
