"""Reconciliation: runs that a worker holds and does not execute, or executes and does not hold."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from tests.support.store.scene import HOLDER, OTHER, Scene, write_partly

from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.interruption import Interruption
from threadmill_workers.membership.identity import WorkerIdentity
from threadmill_workers.recovery.reconciliation import Reconciliation
from threadmill_workers.recovery.takeover import Takeover


@dataclass
class Executing:
    """An executor, as far as it is asked for what it executes."""

    runs: list[HeldRun] = field(default_factory=list)
    claiming: set[str] = field(default_factory=set)

    def held(self) -> list[HeldRun]:
        return list(self.runs)

    def executing(self) -> set[str]:
        return self.claiming | {held.record.id for held in self.runs}


@dataclass
class Leased:
    """A lease, as far as it is asked whose it is."""

    holder: WorkerIdentity


@dataclass
class Comparison:
    """A worker that compares, and what it has sent."""

    scene: Scene
    holder: WorkerIdentity = HOLDER
    executor: Executing = field(default_factory=Executing)
    sent: list[Dispatch | None] = field(default_factory=list)

    async def compare(self) -> None:
        takeover = Takeover(self.scene.store, self.sent.append, max_deaths=3)
        lease = Leased(self.holder)
        await Reconciliation(self.scene.store, self.executor, lease, takeover).compare()


@pytest.fixture
def worker(scene: Scene) -> Comparison:
    return Comparison(scene)


async def test_a_run_that_is_held_and_not_executed_is_given_back_and_sent(scene, worker):
    """The answer to its claim was lost for ever, or its coroutine died of a fault of ours."""
    held = await scene.begin()

    await worker.compare()

    assert worker.sent == [Dispatch(held.record.id, "tm", begun=True)]
    assert await scene.status(held.record.id) is Status.QUEUED
    key = scene.keys.run(held.record.id)
    assert await scene.command("HGET", key, "deaths") is None  # nobody has died


async def test_a_run_that_is_executed_stays(scene, worker):
    worker.executor.runs.append(held := await scene.begin())

    await worker.compare()

    assert (worker.sent, held.stop_reason) == ([], None)
    assert await scene.status(held.record.id) is Status.IN_PROGRESS


async def test_a_run_whose_claim_has_no_answer_yet_stays(scene, worker):
    held = await scene.begin()
    worker.executor.claiming.add(held.record.id)

    await worker.compare()

    assert worker.sent == []
    assert await scene.status(held.record.id) is Status.IN_PROGRESS


async def test_a_cancelled_run_that_nobody_executes_is_ended(scene, worker):
    held = await scene.begin()
    following = await scene.enqueue()
    await write_partly(held, "Once")
    await scene.store.runs.cancel(held.record.id)

    await worker.compare()

    assert await scene.status(held.record.id) is Status.CANCELLED
    assert worker.sent == [Dispatch(following.run_id, "tm")]
    assert await worker.scene.members("unreported") == [held.record.id]


@pytest.mark.parametrize("has_ended", [True, False])
async def test_a_run_that_is_executed_and_not_held_is_dropped(scene, worker, has_ended):
    worker.executor.runs.append(held := await scene.begin())
    await scene.store.runs.reclaim(await scene.record(held.record.id))
    other = await scene.claim(held.record.id, OTHER)
    if has_ended:
        await other.finish(Status.COMPLETED, Batch())

    await worker.compare()

    assert held.stop_reason is Interruption.LOST
    assert worker.sent == []


async def test_a_run_that_came_back_to_this_worker_drops_only_its_former_attempt(scene, worker):
    worker.executor.runs.append(former := await scene.begin())
    await scene.store.runs.reclaim(await scene.record(former.record.id))
    worker.executor.runs.append(latter := await scene.claim(former.record.id))

    await worker.compare()

    assert latter.stop_reason is None
    assert await scene.status(latter.record.id) is Status.IN_PROGRESS


async def test_a_process_with_the_host_and_pid_of_a_former_one_adopts_none_of_its_runs(scene):
    """As in a container that restarts: its pid is 1 again."""
    former, latter = (
        WorkerIdentity("host:1:aaaa", "tm:bell"),
        WorkerIdentity("host:1:bbbb", "tm:bell"),
    )
    held = await scene.claim((await scene.enqueue()).run_id, former)
    worker = Comparison(scene, latter)

    await worker.compare()

    assert await scene.store.indexes.held_by(latter.id) == []
    assert (await scene.record(held.record.id)).holder == former.id
    assert worker.sent == []


async def test_every_start_of_a_process_has_a_worker_id_of_its_own():
    first, second = (WorkerIdentity.of_this_process("tm") for _ in range(2))
    assert first.name == second.name
    assert first.id != second.id
