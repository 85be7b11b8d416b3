"""A worker's state as it is written: in full after a change, and otherwise only kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from tests.support.store.registered_workers import register
from tests.support.store.scene import HOLDER, OTHER, Scene

from threadmill_shared.records.workers import RegisteredWorker, WorkerInfo
from threadmill_shared.settings import Settings
from threadmill_shared.store.scripts.workers import WorkerScripts
from threadmill_shared.store.store import Store
from threadmill_shared.tools.runner import ToolRunner
from threadmill_workers.catalog import Catalog
from threadmill_workers.execution.executor import Executor
from threadmill_workers.execution.provider_health import ProviderHealth
from threadmill_workers.execution.worker_context import WorkerContext
from threadmill_workers.membership.identity import WorkerIdentity
from threadmill_workers.metrics.recorder import MetricsRecorder
from threadmill_workers.recovery import clock_check
from threadmill_workers.recovery.state_report import StateReport

INFO = WorkerInfo(HOLDER.id, HOLDER.name, 0, "tm.aaaa", ("tm",))


@dataclass
class Leased:
    """A lease, as far as it is asked for."""

    holder: WorkerIdentity = HOLDER
    is_closed: bool = False


@dataclass
class Process:
    """A worker process, as far as its state is made of it."""

    store: Store
    lease: Leased = field(default_factory=Leased)
    runner: ToolRunner = field(default_factory=ToolRunner)
    provider: ProviderHealth = field(default_factory=ProviderHealth)
    metrics: MetricsRecorder = field(default_factory=MetricsRecorder)
    model: object = None
    settings: Settings = field(default_factory=Settings)
    running: int = 0
    clock_shift: float = 0.0
    """Seconds by which its clock is wrong."""

    def __post_init__(self) -> None:
        context, executor = cast("WorkerContext", self), cast("Executor", self)
        self.report = StateReport(
            context,
            Catalog(modules=["shop"]),
            executor,
            clock=lambda: time.time() + self.clock_shift,
        )

    def awaited_functions(self) -> dict[str, int]:
        return {}


@pytest.fixture
def process(scene: Scene) -> Process:
    return Process(scene.store)


async def only_worker(scene: Scene) -> RegisteredWorker:
    [found] = await scene.store.workers.registered()
    return found


async def text(scene: Scene, worker: WorkerIdentity = HOLDER) -> Any:
    return await scene.command("GET", scene.keys.worker_state(worker.id))


async def test_a_state_that_has_not_changed_is_kept_and_not_written_again(scene, process):
    await process.report.write()
    key = scene.keys.worker_state(HOLDER.id)
    await scene.command("SET", key, "as it was", "EX", 1)
    await process.report.write()
    assert await text(scene) == "as it was"
    assert await scene.command("TTL", key) > 1


async def test_a_state_that_has_changed_or_was_lost_is_written(scene, process):
    await register(scene.store, INFO)
    await process.report.write()
    process.running = 3
    await process.report.write()
    found = await only_worker(scene)
    assert found.state is not None
    assert (found.state.running, found.state.modules) == (3, ("shop",))
    await scene.command("UNLINK", scene.keys.worker_state(HOLDER.id))
    await process.report.write()
    assert (await only_worker(scene)).state == found.state


async def test_a_worker_with_a_new_id_writes_its_state_under_that(scene, process):
    await process.report.write()
    process.lease.holder = OTHER
    await process.report.write()
    assert await text(scene, OTHER) == await text(scene)


async def test_a_worker_that_deregisters_writes_none(scene, process):
    process.lease.is_closed = True
    await process.report.write()
    assert await text(scene) is None


async def test_a_worker_that_stops_says_so_at_once_and_only_then(scene, process):
    await register(scene.store, INFO)
    await process.report.write()
    assert "stopping" not in await text(scene)
    await process.report.begin_stopping()
    assert (await only_worker(scene)).state.stopping


async def test_the_state_of_a_removed_worker_is_removed(scene, process):
    await register(scene.store, INFO)
    await process.report.write()
    call = WorkerScripts(scene.keys).remove_worker(
        worker=INFO.id, judged=INFO.encode(), expired=False
    )
    assert await scene.store.session.runner.run(call) == ["ok"]
    assert await text(scene) is None


async def test_a_worker_of_an_older_release_has_no_state(scene):
    await register(scene.store, INFO)
    found = await only_worker(scene)
    assert (found.info, found.has_lease, found.state, found.state_age) == (INFO, True, None, None)


async def test_a_state_says_how_old_it_is_and_one_without_sense_is_none(scene, process):
    await register(scene.store, INFO)
    await process.report.write()
    await scene.command("EXPIRE", scene.keys.worker_state(HOLDER.id), 40)
    age = (await only_worker(scene)).state_age
    assert age is not None
    assert 20 <= age < 22
    await scene.command("SET", scene.keys.worker_state(HOLDER.id), "no JSON", "EX", 40)
    assert (await only_worker(scene)).state is None


async def test_a_state_of_a_later_release_is_read(scene, process):
    await register(scene.store, INFO)
    await process.report.write()
    later = (await text(scene))[:-1] + ',"mood":"good"}'
    await scene.command("SET", scene.keys.worker_state(HOLDER.id), later, "EX", 40)
    assert (await only_worker(scene)).state is not None


@pytest.mark.parametrize(("shift", "words"), [(30, "30 s ahead of"), (-30, "30 s behind")])
async def test_a_clock_that_is_wrong_is_written_down_and_logged_once(
    scene, process, monkeypatch, caplog, shift, words
):
    monkeypatch.setattr(clock_check, "MEASURE_SECONDS", 0.0)
    await register(scene.store, INFO)
    await process.report.write()
    assert (await only_worker(scene)).state.clock_offset == 0
    assert "clock" not in caplog.text
    process.clock_shift = shift
    for _ in range(3):
        await process.report.write()
    assert (await only_worker(scene)).state.clock_offset == shift
    [line] = [one for one in caplog.messages if "clock" in one]
    assert f"this worker's clock is {words} the one of Redis" in line
    process.clock_shift = 0
    await process.report.write()
    assert (await only_worker(scene)).state.clock_offset == 0
