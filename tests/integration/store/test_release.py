"""yield: a holder gives its run back as it stands, and any worker may go on with it."""

from __future__ import annotations

import pytest
from tests.support.store.scene import HOLDER, OTHER, begin_call, write_partly

from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.run import Status
from threadmill_workers.execution.interruption import LostRun


async def test_a_run_that_is_given_back_is_queued_and_to_be_sent_as_one_that_had_begun(
    scene, client
):
    held = await scene.begin()

    dispatch = await held.release()

    assert client.outcomes[-1] == "ok"
    assert dispatch == Dispatch(held.record.id, "tm", begun=True)
    assert await scene.status(held.record.id) is Status.QUEUED
    assert await scene.members("dispatched") == [held.record.id]
    assert await scene.members("deadlines") == [held.record.id]  # which goes on
    for index in ("holders", f"held:{HOLDER.id}"):
        assert await scene.members(index) == []
    assert (await scene.event_names(held.record.id))[-1] == "thread.run.queued"


async def test_what_was_put_before_is_stored_before(scene):
    held = await scene.begin()
    await write_partly(held, "Hel")
    held.delta(0, "lo")

    await held.release()

    texts = [
        event.data["delta"]["content"][0]["text"]["value"]
        for event in await scene.events(held.record.id)
        if event.event == "thread.message.delta"
    ]
    assert texts == ["Hel", "lo"]


async def test_a_message_that_was_begun_is_closed_in_the_log_and_is_no_item(scene):
    held = await scene.begin("hello")
    await write_partly(held, "Half an ")

    await held.release()

    events = await scene.events(held.record.id)
    assert [event.event for event in events[-3:]] == [
        "thread.message.incomplete",
        "thread.run.step.cancelled",
        "thread.run.queued",
    ]
    assert events[-3].data["content"][0]["text"]["value"] == "Half an "
    [step] = await scene.store.runs.steps(held.record.id)
    assert step.status == "cancelled"
    assert await scene.texts() == ["hello"]
    assert (await scene.record(held.record.id)).open_message == ""


async def test_open_calls_stay_open_for_the_next_holder(scene):
    held = await scene.begin()
    await held.write(begin_call(held.record, "call_1"))

    await held.release()

    assert [item["type"] for item in await scene.items()] == ["message", "tool_call"]
    calls = await scene.command("HKEYS", scene.keys.calls(held.record.id))
    assert set(calls) == {"call_1", "!call_1"}


async def test_the_thread_stays_locked_for_the_run(scene):
    held = await scene.begin()
    waiting = await scene.enqueue()

    await held.release()

    assert await scene.claim(waiting.run_id, OTHER) is None
    assert await scene.claim(held.record.id, OTHER) is not None


async def test_a_holder_that_gave_back_can_write_no_more(scene, client):
    held = await scene.begin()
    await held.release()
    before = await scene.contents()

    with pytest.raises(LostRun):
        await write_partly(held, "too late")

    assert client.outcomes[-1] == "stale"
    assert await scene.contents() == before


async def test_a_lost_answer_is_answered_again(scene, client):
    held = await scene.begin()

    client.lose_next_answer()
    dispatch = await held.release()

    assert client.outcomes[-2:] == ["ok", "again"]
    assert dispatch == Dispatch(held.record.id, "tm", begun=True)


async def test_a_run_that_is_being_cancelled_is_to_be_ended_instead(scene, client):
    held = await scene.begin()
    await scene.store.runs.cancel(held.record.id)
    before = await scene.contents()

    assert await held.release() is None
    assert client.outcomes[-1] == "cancelling"
    assert await scene.contents() == before


async def test_a_run_that_was_taken_over_cannot_be_given_back(scene, client):
    held = await scene.begin()
    run = await scene.record(held.record.id)
    for _ in range(2):
        await scene.send(scene.commands.reclaim(run.id, run.holder, run.token))
        await scene.claim(run.id, OTHER)
        run = await scene.record(run.id)
    before = await scene.contents()

    with pytest.raises(LostRun):
        await held.release()

    assert client.outcomes[-1] == "stale"
    assert await scene.contents() == before


@pytest.mark.parametrize(("serial", "outcome"), [(1, "refused"), (4, "rewound")])
async def test_a_wrong_serial_changes_nothing(scene, serial, outcome):
    held = await scene.begin()
    token = (await scene.record(held.record.id)).token
    for text in "ab":
        await write_partly(held, text)
    before = await scene.contents()

    command = scene.commands.release(held.record.id, token, serial)
    assert await scene.send(command) == [outcome]
    assert await scene.contents() == before
