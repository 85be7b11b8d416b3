"""What waits in a fleet is counted by one of its workers, and by another one if that one ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.support.store.registered_workers import register, register_without_lease
from tests.support.store.scene import HOLDER, OTHER, Scene
from tests.support.waiting import wait_until_async

from threadmill_shared.records.waiting import WaitingRuns
from threadmill_shared.records.workers import WorkerInfo
from threadmill_workers.membership.identity import WorkerIdentity
from threadmill_workers.metrics.recorder import MetricsRecorder
from threadmill_workers.recovery import fleet_count
from threadmill_workers.recovery.fleet_count import FleetCount


@dataclass
class Kept(MetricsRecorder):
    """Keeps what it was told last."""

    waiting: WaitingRuns | None = None
    workers: Mapping[str, int] = field(default_factory=dict)
    until: float = 0

    def note_fleet(
        self, waiting: WaitingRuns | None, workers: Mapping[str, int], until: float
    ) -> None:
        self.waiting, self.workers, self.until = waiting, workers, until


@dataclass
class Member:
    """A worker of the fleet, as far as it counts."""

    scene: Scene
    holder: WorkerIdentity
    kept: Kept = field(default_factory=Kept)

    def __post_init__(self) -> None:
        lease: Any = self
        self.counting = FleetCount(self.scene.store, lease, self.kept)

    async def counts(self) -> bool:
        await self.counting.count()
        return self.kept.waiting is not None


@pytest.fixture
def fleet(scene: Scene) -> list[Member]:
    return [Member(scene, HOLDER), Member(scene, OTHER)]


async def test_one_worker_counts(scene, fleet):
    await scene.enqueue()
    first, second = fleet
    assert await first.counts()
    assert not await second.counts()
    assert first.kept.waiting.queued == {"tm": 1}
    await first.counting.close()


async def test_it_counts_the_workers_that_live_and_those_without_a_lease(scene, fleet):
    for number in range(3):
        one = f"host:{number}:aaaa"
        info = WorkerInfo(one, f"host:{number}", 0, "tm.own")
        await (register_without_lease if number == 2 else register)(scene.store, info)
    first = fleet[0]
    assert await first.counts()
    assert first.kept.workers == {"alive": 2, "silent": 1}
    await first.counting.close()
    assert first.kept.workers == {}
    for number in range(3):
        await scene.command("HDEL", scene.keys.alive(), f"host:{number}:aaaa")


async def test_when_it_ends_it_shows_nothing_more_and_another_one_counts_at_once(fleet):
    first, second = fleet
    assert await first.counts()
    await first.counting.close()
    assert first.kept.waiting is None
    assert await second.counts()
    await second.counting.close()


async def test_when_it_dies_another_one_counts(fleet, monkeypatch):
    monkeypatch.setattr(fleet_count, "ELECTED_MS", 100)
    first, second = fleet
    assert await first.counts()
    await wait_until_async(second.counts)
    assert not await first.counts()
    await second.counting.close()
