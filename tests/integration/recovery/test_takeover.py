"""Takeover: what a dead worker leaves behind is cleared up."""

from __future__ import annotations

import asyncio
import time

from tests.support.store.scene import HOLDER

from threadmill_shared.records.workers import WorkerInfo
from threadmill_workers.membership.failure_detector import Dead
from threadmill_workers.recovery.takeover import Takeover

INFO = WorkerInfo(HOLDER.id, HOLDER.name, 0, "tm.aaaa", ("tm", "tm.aaaa"))


async def bury(scene, judged: WorkerInfo) -> tuple[list[str], list[str]]:
    """The runs that are sent on and the queues that are removed."""
    runs: list[str] = []
    queues: list[str] = []

    def send(dispatch) -> None:
        runs.append(dispatch.run_id)

    takeover = Takeover(scene.store, send, max_deaths=3, remove_queue=queues.append)
    await takeover.remove_worker(Dead(judged.id, judged.encode(), expired=False))
    return runs, queues


async def registered(scene) -> None:
    await scene.command("HSET", scene.keys.alive(), INFO.id, INFO.encode())


async def test_its_runs_go_on_and_the_queue_that_only_it_consumed_goes(scene):
    await registered(scene)
    held = await scene.begin()

    assert await bury(scene, INFO) == ([held.record.id], ["tm.aaaa"])
    assert await scene.command("HGETALL", scene.keys.alive()) == {}


async def test_one_that_has_registered_again_keeps_all_it_has(scene):
    await registered(scene)
    held = await scene.begin()
    judged = WorkerInfo(HOLDER.id, HOLDER.name, 1, "tm.aaaa", ("tm", "tm.aaaa"))

    assert await bury(scene, judged) == ([], [])
    assert await scene.members(f"held:{HOLDER.id}") == [held.record.id]
    await scene.command("HDEL", scene.keys.alive(), INFO.id)


async def test_each_run_of_it_counts_once_with_the_time_since_it_was_last_known_to_live(scene):
    await registered(scene)
    await scene.begin()
    noted: list[tuple[str, float | None]] = []

    def take_over() -> Takeover:
        return Takeover(
            scene.store,
            lambda _: None,
            max_deaths=3,
            note_recovery=lambda cause, seconds: noted.append((cause, seconds)),
        )

    dead = Dead(INFO.id, INFO.encode(), expired=True, silent_since=time.monotonic() - 5)
    await asyncio.gather(*(take_over().remove_worker(dead) for _ in range(5)))
    [(cause, seconds)] = noted
    assert cause == "lease"
    assert 5 <= seconds < 30


async def test_a_run_that_its_worker_does_not_execute_counts_too(scene):
    held = await scene.begin()
    noted: list[tuple[str, float | None]] = []
    takeover = Takeover(
        scene.store,
        lambda _: None,
        max_deaths=3,
        note_recovery=lambda cause, seconds: noted.append((cause, seconds)),
    )
    record = await scene.record(held.record.id)
    for _ in range(2):
        await takeover.take_stray(record)
    assert noted == [("not_executed", None)]
