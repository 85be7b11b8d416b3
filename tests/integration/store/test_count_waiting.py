"""count_waiting: how many runs wait, for which queue, for how long, and for whom outside."""

from __future__ import annotations

import asyncio

from tests.support.store.scene import HOLDER, OTHER, park_call
from tests.support.waiting import wait_until_async

from threadmill_shared import ids
from threadmill_shared.records.waiting import WaitingRuns
from threadmill_shared.store import indexes

NEVER = 3_600_000


def another_thread(bucket: str = "") -> str:
    thread_id = ids.new_thread_id()
    return f"thread_{bucket}{thread_id[9:]}" if bucket else thread_id


async def queue_runs(scene, count: int, bucket: str = "", **options) -> list[str]:
    """Runs on threads of their own."""
    queued = [
        await scene.enqueue(thread_id=another_thread(bucket), **options) for _ in range(count)
    ]
    return [one.run_id for one in queued]


async def test_an_empty_store_has_nothing_that_waits(scene):
    assert await scene.store.indexes.count_waiting() == WaitingRuns()


async def test_queued_runs_count_by_queue(scene):
    await queue_runs(scene, 3)
    await queue_runs(scene, 2, queue="tm.gpu")
    waiting = await scene.store.indexes.count_waiting()
    assert waiting.queued == {"tm": 3, "tm.gpu": 2}


async def test_a_run_in_a_threads_line_and_one_in_progress_wait_for_no_worker(scene):
    await scene.begin()
    await scene.enqueue("behind it")
    assert await scene.store.indexes.count_waiting() == WaitingRuns()


async def test_the_oldest_is_as_old_as_its_last_dispatch(scene):
    held = await scene.begin()
    queued_at = (await scene.record(held.record.id)).queued_at
    await scene.passes(queued_at + 50)
    await held.release()
    again = (await scene.record(held.record.id)).queued_at
    assert again > queued_at
    await scene.passes(again + 20)
    waiting = await scene.store.indexes.count_waiting()
    now = await scene.store.server.now()
    assert 0.02 <= waiting.oldest_seconds <= (now - again) / 1000


async def test_runs_that_have_begun_count_apart(scene):
    [first] = await queue_runs(scene, 1)
    held = await scene.claim(first)
    await held.release()
    await queue_runs(scene, 2)
    queues = (await scene.store.indexes.count_waiting()).queues
    assert {(one.queue, one.has_begun): one.runs for one in queues} == {
        ("tm", False): 2,
        ("tm", True): 1,
    }


async def test_a_run_that_an_earlier_release_has_queued_is_as_old_as_it_is(scene):
    [run_id] = await queue_runs(scene, 1)
    await scene.command("HDEL", scene.keys.run(run_id), "queued_at")
    created_at = (await scene.record(run_id)).created_at
    await scene.passes(created_at + 20)
    assert (await scene.store.indexes.count_waiting()).oldest_seconds >= 0.02


async def test_parked_runs_count_by_what_they_wait_for(scene):
    for what in ("approval", "output", "output"):
        held = await scene.begin(thread_id=another_thread())
        assert await held.park(park_call(held, what), NEVER)
    parked = await scene.store.inspector.parked(10)
    await scene.passes(max(one.since for one in parked) + 20)
    waiting = await scene.store.indexes.count_waiting()
    assert waiting.parked == {"approval": 1, "output": 2}
    now = await scene.store.server.now()
    for kind, since in (("approval", parked[0].since), ("output", parked[1].since)):
        assert 0.02 <= waiting.longest[kind] <= (now - since) / 1000
    assert waiting.queued == {}


async def test_a_run_whose_record_was_deleted_by_hand_is_not_counted(scene):
    [run_id] = await queue_runs(scene, 1)
    run = scene.keys.run(run_id)
    await scene.command("RENAME", run, f"{run}:apart")
    assert (await scene.store.indexes.count_waiting()).queued == {}
    await scene.command("RENAME", f"{run}:apart", run)


async def test_of_a_long_queue_a_sample_stands_for_all(scene, monkeypatch):
    monkeypatch.setattr(indexes, "_SAMPLE", 20)
    await queue_runs(scene, 10, bucket="07")
    await queue_runs(scene, 10, bucket="07", queue="tm.gpu")
    await queue_runs(scene, 3, bucket="09")
    assert not (await scene.store.indexes.count_waiting()).is_sampled
    monkeypatch.setattr(indexes, "_SAMPLE", 4)
    waiting = await scene.store.indexes.count_waiting()
    assert waiting.is_sampled
    queued = waiting.queued
    assert sum(queued.values()) == 23
    assert queued["tm"] >= 8


async def test_a_run_knows_how_long_it_could_be_claimed_before_it_was(scene):
    [run_id] = await queue_runs(scene, 1)
    await scene.passes((await scene.record(run_id)).queued_at + 30)
    held = await scene.claim(run_id)
    assert 0.03 <= held.waited_seconds < 10


# ---- who counts ----------------------------------------------------------------------------------


async def test_one_worker_is_elected_and_stays_it(scene):
    workers = scene.store.workers
    assert await workers.elect(HOLDER.id, lifetime_ms=NEVER)
    assert not await workers.elect(OTHER.id, lifetime_ms=NEVER)
    assert await workers.elect(HOLDER.id, lifetime_ms=NEVER)
    await workers.resign(HOLDER.id)


async def test_of_many_that_ask_at_once_one_is_elected(scene):
    workers = scene.store.workers
    asked = [workers.elect(f"host:{number}:aaaa", lifetime_ms=NEVER) for number in range(20)]
    assert sum(await asyncio.gather(*asked)) == 1
    await scene.command("UNLINK", scene.keys.counting_worker())


async def test_one_that_asks_no_more_is_replaced(scene):
    workers = scene.store.workers
    assert await workers.elect(HOLDER.id, lifetime_ms=50)
    await wait_until_async(lambda: workers.elect(OTHER.id, lifetime_ms=NEVER))
    assert not await workers.elect(HOLDER.id, lifetime_ms=NEVER)
    await workers.resign(OTHER.id)


async def test_one_that_resigns_is_replaced_at_once_and_no_other_can_be_deposed(scene):
    workers = scene.store.workers
    assert await workers.elect(HOLDER.id, lifetime_ms=NEVER)
    await workers.resign(OTHER.id)
    assert not await workers.elect(OTHER.id, lifetime_ms=NEVER)
    await workers.resign(HOLDER.id)
    assert await workers.elect(OTHER.id, lifetime_ms=NEVER)
    await workers.resign(OTHER.id)
