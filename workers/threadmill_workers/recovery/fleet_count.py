"""Counts waiting runs and workers of the whole fleet for the metrics, in one worker at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time

from threadmill_shared.store.store import Store
from threadmill_workers.membership.lease import Lease
from threadmill_workers.metrics.recorder import MetricsRecorder

COUNT_SECONDS = 5.0
"""Between two counts."""
ELECTED_MS = 15_000
"""How long a worker that counts no more keeps the others from it."""

RESIGN_SECONDS = 0.5
"""How long a worker that ends tries to leave the counting to another one."""


class FleetCount:
    """Counts if this worker is elected; if it is not, it asks again, since the other may die."""

    def __init__(self, store: Store, lease: Lease, metrics: MetricsRecorder) -> None:
        """Nothing is counted yet.

        Args:
            store: where the runs are.
            lease: who this worker is.
            metrics: takes the counts.
        """
        self._store = store
        self._lease = lease
        self._metrics = metrics

    async def count(self) -> None:
        """Count once, if this worker is the one to do it."""
        asked_at = time.monotonic()
        if await self._store.workers.elect(self._lease.holder.id, lifetime_ms=ELECTED_MS):
            # By then another worker may be elected: what both showed would be added up.
            until = asked_at + ELECTED_MS / 1000
            waiting = await self._store.indexes.count_waiting()
            self._metrics.note_fleet(waiting, await self._store.workers.count(), until)
        else:
            self._metrics.note_fleet(None, {}, asked_at)

    async def close(self) -> None:
        """Leave it to another worker; if Redis does not answer, the election ends by itself."""
        self._metrics.note_fleet(None, {}, time.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RESIGN_SECONDS):
                await self._store.workers.resign(self._lease.holder.id)
