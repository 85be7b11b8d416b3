"""cancel: at once where nobody executes the run; else its worker is told, by a bell."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.store.scene import HOLDER

from threadmill_shared import errors, ids
from threadmill_shared.records.changes import Dispatch, Ended
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch


async def test_a_queued_run_is_cancelled_at_once_and_its_message_stays(scene, client):
    run = await scene.enqueue("first")
    following = await scene.enqueue("second")

    ended = await scene.store.runs.cancel(run.run_id)

    assert client.outcomes[-1] == "cancelled"
    assert ended == Ended(Status.CANCELLED, Dispatch(following.run_id, "tm"))
    assert await scene.texts() == ["first", "second"]
    assert (await scene.event_names(run.run_id))[-2:] == ["thread.run.cancelled", "done"]


async def test_a_waiting_run_is_cancelled_at_once_and_leaves_no_message(scene, client):
    holder = await scene.enqueue("first")
    waiting = await scene.enqueue("second")

    ended = await scene.store.runs.cancel(waiting.run_id)

    assert ended == Ended(Status.CANCELLED, None)
    assert await scene.texts() == ["first"]
    assert await scene.members(f"line:{scene.thread_id}") == []
    assert await scene.status(holder.run_id) is Status.QUEUED


async def test_a_run_in_progress_is_cancelling_and_its_worker_hears_the_bell(
    scene, client, notifications
):
    held = await scene.begin()
    async with notifications.hear(HOLDER.channel) as heard:
        ended = await scene.store.runs.cancel(held.record.id)

        said = await asyncio.wait_for(anext(heard), 3)
    assert client.outcomes[-1] == "cancelling"
    assert ended == Ended(Status.CANCELLING, None)
    assert said == held.record.id
    assert (await scene.event_names(held.record.id))[-1] == "thread.run.cancelling"
    assert await scene.members("deadlines") == [held.record.id]


async def test_a_second_cancel_changes_nothing(scene):
    held = await scene.begin()
    await scene.store.runs.cancel(held.record.id)
    before = await scene.contents()

    assert await scene.store.runs.cancel(held.record.id) == Ended(Status.CANCELLING, None)
    assert await scene.contents() == before


async def test_a_run_that_has_ended_stays_as_it_is(scene, client):
    held = await scene.begin()
    await held.finish(Status.COMPLETED, Batch())
    before = await scene.contents()

    assert await scene.store.runs.cancel(held.record.id) == Ended(Status.COMPLETED, None)
    assert client.outcomes[-1] == "ended"
    assert await scene.contents() == before


async def test_a_run_that_is_not_there_is_an_error(scene, client):
    with pytest.raises(errors.RunNotFound):
        await scene.store.runs.cancel(ids.new_run_id(scene.thread_id))

    assert client.outcomes == ["gone"]


async def test_a_lost_answer_still_names_the_next_run(scene, client):
    run = await scene.enqueue("first")
    following = await scene.enqueue("second")

    client.lose_next_answer()
    ended = await scene.store.runs.cancel(run.run_id)

    assert client.outcomes[-2:] == ["cancelled", "ended"]
    assert ended == Ended(Status.CANCELLED, Dispatch(following.run_id, "tm"))


async def test_a_late_cancel_does_not_name_a_next_run_that_is_claimed_already(scene):
    run = await scene.enqueue("first")
    following = await scene.enqueue("second")
    await scene.store.runs.cancel(run.run_id)
    await scene.claim(following.run_id)

    assert await scene.store.runs.cancel(run.run_id) == Ended(Status.CANCELLED, None)
