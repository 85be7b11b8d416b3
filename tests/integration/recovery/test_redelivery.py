"""resend: a run whose message is lost is sent again, once a probe has proved it."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.support.store.lists import forget_indexes
from tests.support.store.scene import OTHER, Scene

from threadmill_shared import ids
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.workers import WorkerInfo
from threadmill_workers.recovery.redelivery import Redelivery

WORKER = WorkerInfo("host:1:aaaa", "host:1", 0, "tm.aaaa", ("tm", "tm.begun", "tm.aaaa"))
LATER = 3_600_000
"""Milliseconds from now, when every run here ought to have been claimed."""


@dataclass
class Sent:
    """What a search has sent."""

    runs: list[Dispatch | None] = field(default_factory=list)
    probes: list[tuple[str, int]] = field(default_factory=list)

    @property
    def run_ids(self) -> list[str]:
        return [one.run_id for one in self.runs if one is not None]


def resending(scene: Scene, sent: Sent, **options: Any) -> Redelivery:
    def send_probe(queue: str, now: int) -> None:
        sent.probes.append((queue, now))

    return Redelivery(scene.store, sent.runs.append, send_probe, **options)


@pytest.fixture
def sent() -> Sent:
    return Sent()


async def seen(scene, run_id: str) -> str:
    key = f"{scene.keys.bucket(run_id)}dispatched"
    return f"{float(await scene.command('ZSCORE', key, run_id)):.0f}"


async def look(scene, search: Redelivery, now: int, workers: list[WorkerInfo]) -> None:
    found = await scene.store.indexes.scan(now, overdue=0, unclaimed=10)
    await search.probe_queues(found.unclaimed, now, workers)


async def later(scene) -> int:
    return await scene.store.server.now() + LATER


async def test_pauses_between_two_sends_double(scene, client):
    run_id = (await scene.enqueue()).run_id
    scores = []
    for _ in range(4):
        assert await scene.store.indexes.resend(run_id, await seen(scene, run_id))
        assert client.outcomes[-1] == "ok"
        scores.append(int(await seen(scene, run_id)))
    gaps = [after - before for before, after in itertools.pairwise(scores)]
    assert gaps == [pytest.approx(wanted, abs=300) for wanted in (2000, 4000, 8000)]


async def test_the_pauses_begin_anew_with_a_claim(scene):
    run_id = (await scene.enqueue()).run_id
    for _ in range(6):
        await scene.store.indexes.resend(run_id, await seen(scene, run_id))
    held = await scene.claim(run_id)
    await held.release()

    await scene.store.indexes.resend(run_id, await seen(scene, run_id))

    assert int(await seen(scene, run_id)) - await scene.store.server.now() <= 2000


async def test_of_two_that_found_it_one_sends_it(scene, client):
    run_id = (await scene.enqueue()).run_id
    found = await seen(scene, run_id)
    await asyncio.sleep(0.002)  # nobody looks in the very millisecond in which it was enqueued
    assert await scene.store.indexes.resend(run_id, found)
    assert await scene.store.indexes.resend(run_id, found) is None
    assert client.outcomes[-1] == "moved"


async def test_a_run_that_was_claimed_meanwhile_is_not_sent(scene):
    run_id = (await scene.enqueue()).run_id
    found = await seen(scene, run_id)
    await scene.claim(run_id, OTHER)
    assert await scene.store.indexes.resend(run_id, found) is None


async def test_a_run_that_is_not_claimed_in_time_has_its_queue_probed(scene, sent):
    await scene.enqueue()
    now = await later(scene)

    await look(scene, resending(scene, sent), now, [WORKER])

    assert ("tm", now) in sent.probes
    assert sent.runs == []


async def test_what_was_sent_just_now_is_left_alone(scene, sent):
    await scene.enqueue()
    await look(scene, resending(scene, sent), await scene.store.server.now(), [WORKER])
    assert sent == Sent()


async def test_a_queue_has_one_probe_at_a_time(scene, sent):
    await scene.enqueue()
    await scene.enqueue(thread_id=ids.new_thread_id())
    for _ in range(3):
        await look(scene, resending(scene, sent), await later(scene), [WORKER])
    assert [queue for queue, _ in sent.probes].count("tm") == 1


async def test_a_probe_that_came_through_sends_what_is_unclaimed(scene, sent):
    lost = await scene.enqueue()
    search = resending(scene, sent)
    await look(scene, search, await later(scene), [WORKER])

    [probe] = [probe for probe in sent.probes if probe[0] == "tm"]
    await search.resend_lost(*probe)

    assert sent.run_ids == [lost.run_id]
    await look(scene, search, await later(scene), [WORKER])
    assert [queue for queue, _ in sent.probes].count("tm") == 2  # the first is over


async def test_a_lost_message_counts_once(scene, sent):
    await scene.enqueue()
    noted: list[str] = []
    search = resending(scene, sent, note_recovery=lambda cause, _: noted.append(cause))
    until = await later(scene)
    await search.resend_lost("tm", until)
    await search.resend_lost("tm", await scene.store.server.now())
    assert noted == ["lost_message"]


async def test_what_was_sent_behind_the_probe_proves_nothing(scene, sent):
    await scene.enqueue()
    await resending(scene, sent).resend_lost("tm", await scene.store.server.now())
    assert sent.run_ids == []


async def test_a_probe_speaks_for_its_own_queue_only(scene, sent):
    await scene.enqueue(queue="tm.other")
    await resending(scene, sent).resend_lost("tm", await later(scene))
    assert sent.run_ids == []


async def test_a_run_that_had_begun_is_looked_for_in_the_queue_for_those(scene, sent):
    held = await scene.begin()
    await held.release()
    search = resending(scene, sent)

    await look(scene, search, await later(scene), [WORKER])
    [probe] = [probe for probe in sent.probes if probe[0] == "tm.begun"]

    await search.resend_lost(*probe)
    assert sent.runs == [Dispatch(held.record.id, "tm", begun=True)]


async def test_a_run_that_had_begun_is_looked_for_by_workers_of_its_own_queue(scene, sent):
    held = await scene.begin(queue="tm.other")
    await held.release()
    queues = ("tm.other", "tm.other.begun", "tm.bbbb")
    other = WorkerInfo("host:2:bbbb", "host:2", 0, "tm.bbbb", queues)
    search = resending(scene, sent)

    await look(scene, search, await later(scene), [WORKER, other])
    [probe] = [probe for probe in sent.probes if probe[0] == "tm.other.begun"]
    await search.resend_lost("tm.begun", probe[1])
    assert sent.runs == []

    await search.resend_lost(*probe)
    assert sent.runs == [Dispatch(held.record.id, "tm.other", begun=True)]


async def test_a_long_queue_does_not_hide_what_was_lost_in_another_one(scene, sent):
    for _ in range(20):  # more than a look takes of one bucket
        thread = "thread_00" + ids.new_thread_id()[9:]
        await scene.enqueue(thread_id=thread)
    held = await scene.begin(thread_id="thread_00" + ids.new_thread_id()[9:])
    await held.release()

    await look(scene, resending(scene, sent), await later(scene), [WORKER])

    assert "tm.begun" in [queue for queue, _ in sent.probes]


async def test_a_run_whose_record_was_deleted_by_hand_leaves_the_index(scene, sent):
    run_id = (await scene.enqueue()).run_id
    await scene.command("UNLINK", scene.keys.run(run_id))
    await look(scene, resending(scene, sent), await later(scene), [WORKER])
    assert await scene.members("dispatched") == []
    kept = (scene.keys.log(run_id), scene.keys.thread(scene.thread_id))
    await scene.command("UNLINK", *kept, scene.keys.items(scene.thread_id))
    of_thread = (
        scene.keys.messages(scene.thread_id),
        scene.keys.runs(scene.thread_id),
    )
    await scene.command("UNLINK", *of_thread)
    await forget_indexes(scene)


async def test_a_queue_that_no_worker_consumes_gets_neither_probes_nor_repeats(scene, sent):
    run_id = (await scene.enqueue(queue="tm.nobody")).run_id
    now = await later(scene)

    await look(scene, resending(scene, sent), now, [WORKER])

    assert "tm.nobody" not in [queue for queue, _ in sent.probes]
    assert sent.run_ids == []
    assert await seen(scene, run_id) != str(now)


async def test_a_worker_that_is_alone_takes_what_an_ended_script_has_left(scene, sent):
    left = await scene.enqueue(queue="tm.process-1")
    theirs = await scene.enqueue(queue="tm.process-2", thread_id=ids.new_thread_id())
    other = WorkerInfo("host:2:bbbb", "host:2", 0, "tm.process-2", ("tm.process-2",))
    own = WorkerInfo("host:3:cccc", "host:3", 0, "tm.process-3", ("tm.process-3",))

    alone = resending(scene, sent, own_queue="tm.process-3")
    await look(scene, alone, await later(scene), [other, own])

    assert theirs.run_id not in sent.run_ids
    assert sent.run_ids == [left.run_id]
