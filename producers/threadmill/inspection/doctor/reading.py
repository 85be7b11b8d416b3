"""What is read of a fleet before it is examined."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from threadmill.inspection.fleet import PARKED, FleetStatus, read_fleet
from threadmill.inspection.parked_runs import OVERDUE_SECONDS
from threadmill.inspection.workers import WorkerView
from threadmill_shared import errors
from threadmill_shared.broker.queues import Queues
from threadmill_shared.records.changes import IndexScan
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.inspection import ParkedRun
from threadmill_shared.settings import Settings
from threadmill_shared.store.connections import connect
from threadmill_shared.store.indexer import IndexingView
from threadmill_shared.store.store import Store

LIMIT_SECONDS = 10.0
"""How long reading may take."""
_OVERDUE_PER_BUCKET = 5


@dataclass(frozen=True)
class FleetReading:
    """A fleet, as it was at one moment."""

    fleet: FleetStatus
    scan: IndexScan
    """Workers that hold runs, and runs that should have been ended `OVERDUE_SECONDS` ago."""
    parked: list[ParkedRun]
    definitions: list[Definition]
    """The published assistants that this release can read."""
    indexing: IndexingView
    """How far the indexes of lists are."""
    index_keys: tuple[str, ...] = ()
    """The keys of metadata by which this process lists threads."""

    @property
    def live(self) -> list[WorkerView]:
        """The workers that have a lease."""
        return [one for one in self.fleet.workers if one.condition != "silent"]

    def consumers(self, queue: str | None) -> list[WorkerView]:
        """The live workers that take runs of assistants with this queue."""
        name = Queues(self.fleet.namespace).own(queue)
        return [one for one in self.live if one.takes_runs and name in one.queues]


async def read_for_doctor(settings: Settings) -> FleetReading:
    """Read the fleet of these settings.

    Raises:
        StoreUnavailable: Redis does not answer.
        TimeoutError: it takes too long.
    """
    store = Store(connect(settings.store_url()), settings.namespace, patience=1.0)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            return await _read(store, settings)
    finally:
        await store.close()


async def _read(store: Store, settings: Settings) -> FleetReading:
    fleet = await read_fleet(store, settings)
    return FleetReading(
        fleet=fleet,
        scan=await store.indexes.scan(
            at=int((fleet.now - OVERDUE_SECONDS) * 1000), overdue=_OVERDUE_PER_BUCKET, unclaimed=1
        ),
        parked=await store.inspector.parked(PARKED),
        indexing=await store.indexer.view(),
        index_keys=settings.index_keys,
        definitions=[
            found
            for name, _, text in await store.inspector.published()
            if text is not None and (found := _definition(name, text)) is not None
        ],
    )


def _definition(name: str, text: str) -> Definition | None:
    try:
        return Definition.read(text, f"The definition of {name!r}")
    except errors.StoreIncompatible:
        return None
