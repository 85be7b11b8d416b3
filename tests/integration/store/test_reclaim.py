"""reclaim: somebody takes a run away from a holder that is gone."""

from __future__ import annotations

import pytest
from tests.integration.store.scene import HOLDER, OTHER, write_partly

from threadmill_shared.records import Status
from threadmill_workers.batch import Batch
from threadmill_workers.holding import LostRun


async def test_the_run_is_queued_again_under_no_token(scene, client):
    held = await scene.begin()
    record = await scene.record(held.record.id)

    assert await scene.store.reclaim(record) == "ok"

    assert client.outcomes[-1] == "ok"
    after = await scene.record(record.id)
    assert (after.status, after.token, after.holder) == (Status.QUEUED, "", "")
    assert await scene.members("dispatched") == [record.id]
    for index in ("deadlines", "holders", f"held:{HOLDER.id}"):
        assert await scene.members(index) == []


async def test_a_holder_that_was_not_gone_after_all_stops(scene):
    held = await scene.begin()
    await scene.store.reclaim(await scene.record(held.record.id))
    before = await scene.contents()

    with pytest.raises(LostRun):
        await write_partly(held, "from the grave")

    assert await scene.contents() == before


async def test_the_text_of_the_former_attempt_and_of_the_next_one_do_not_mix(scene):
    held = await scene.begin()
    await write_partly(held, "The first ")
    await scene.store.reclaim(await scene.record(held.record.id))
    again = await scene.claim(held.record.id, OTHER)
    number = again.record.next_message

    await write_partly(again, "The second", number=number, step=again.record.next_step)

    assert number == 1
    texts: dict[str, str] = {}
    for event in await scene.events(held.record.id):
        if event.event == "thread.message.delta":
            [part] = event.data["delta"]["content"]
            texts[event.data["id"]] = texts.get(event.data["id"], "") + part["text"]["value"]
    assert list(texts.values()) == ["The first ", "The second"]


async def test_two_that_reclaim_at_once_do_it_once(scene):
    held = await scene.begin()
    record = await scene.record(held.record.id)
    await scene.store.reclaim(record)
    await scene.claim(record.id, OTHER)
    before = await scene.contents()

    reply = await scene.send(scene.commands.reclaim(record.id, record.holder, record.token))

    assert reply == ["moved"]
    assert await scene.contents() == before


async def test_a_run_that_has_ended_meanwhile_stays_as_it_is(scene):
    held = await scene.begin()
    record = await scene.record(held.record.id)
    await held.finish(Status.COMPLETED, Batch())
    before = await scene.contents()

    assert await scene.store.reclaim(record) == "moved"
    assert await scene.contents() == before


async def test_a_run_that_is_being_cancelled_is_to_be_ended_by_force(scene):
    held = await scene.begin()
    record = await scene.record(held.record.id)
    await scene.store.cancel(record.id)
    before = await scene.contents()

    assert await scene.store.reclaim(record) == "cancelling"
    assert await scene.contents() == before


async def test_a_lost_answer_is_answered_again(scene, client):
    held = await scene.begin()
    record = await scene.record(held.record.id)

    client.lose_next_answer()
    outcome = await scene.store.reclaim(record)

    assert client.outcomes[-2:] == ["ok", "again"]
    assert outcome == "ok"
