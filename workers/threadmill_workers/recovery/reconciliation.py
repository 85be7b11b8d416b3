"""Compares the runs that are recorded as a worker's own with those that it executes.

A run that is recorded and not executed would keep its thread locked: the answer to its claim was
lost, or a fault of ours ended its execution. A run that is executed and not recorded is another
worker's by now, or has ended, and its provider's stream must not go on for nothing.
"""

from __future__ import annotations

import logging

from threadmill_shared.records.run import HELD
from threadmill_shared.store.store import Store
from threadmill_workers.execution.executor import Executor
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.interruption import Interruption
from threadmill_workers.membership.lease import Lease
from threadmill_workers.recovery.takeover import Takeover

logger = logging.getLogger("threadmill.worker")

COMPARE_SECONDS = 5.0


class Reconciliation:
    """Gives back what this worker holds and does not execute, and drops what it does not hold."""

    def __init__(self, store: Store, executor: Executor, lease: Lease, takeover: Takeover) -> None:
        self._store = store
        self._executor = executor
        self._lease = lease
        self._takeover = takeover

    async def compare(self) -> None:
        """Compare once."""
        worker = self._lease.holder.id
        held_before = self._executor.held()
        recorded = set(await self._store.indexes.held_by(worker))
        for run_id in recorded - self._executor.executing():
            record = await self._store.runs.record(run_id)
            is_stray = run_id not in self._executor.executing()
            is_held = record is not None and record.status in HELD and record.holder == worker
            if record is not None and is_held and is_stray:
                logger.warning("%s is held by this worker but not executed; reassigning it", run_id)
                await self._takeover.take_stray(record)
        for held in held_before:
            if held.record.id not in recorded:
                await self._drop_if_lost(held)

    async def _drop_if_lost(self, held: HeldRun) -> None:
        token = await self._store.runs.token(held.record.id)
        if token != held.token:
            held.stop(Interruption.LOST)
