"""A held run: what it writes goes out in order, and stops when it is to stop."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.store.scene import OTHER, begin_message, write_partly

from threadmill_shared import ids
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.interruption import Interruption, LostRun


async def taken_over(scene, held):
    """Another worker has the run now."""
    await scene.store.runs.reclaim(await scene.record(held.record.id))
    return await scene.claim(held.record.id, OTHER)


async def test_a_run_that_nobody_stops_goes_on(scene):
    held = await scene.begin()

    await write_partly(held, "Hello")

    assert held.stop_reason is None


async def test_an_end_waits_for_the_write_that_has_no_answer_yet(scene, client):
    held = await scene.begin()
    before = len(client.outcomes)
    held.put(begin_message())
    client.lose_next_answer()
    await asyncio.sleep(0)
    held.delta(0, "and this")

    await held.finish(Status.COMPLETED, Batch())

    first, repeated, *others = client.outcomes[before:]
    assert (first, repeated, set(others)) == ("ok", "again", {"ok"})
    assert "thread.message.delta" in await scene.event_names(held.record.id)


async def test_what_comes_while_a_run_ends_is_not_sent(scene, client):
    held = await scene.begin()
    await write_partly(held, "Hello")
    before = len(client.outcomes)

    ending = asyncio.ensure_future(held.finish(Status.COMPLETED, Batch()))
    await asyncio.sleep(0)
    held.delta(0, "too late")
    await ending

    assert client.outcomes[before:] == ["ok"]
    assert (await scene.event_names(held.record.id))[-1] == "done"


async def test_a_holder_that_lost_its_run_sends_nothing_more(scene, client):
    held = await scene.begin()
    await taken_over(scene, held)
    with pytest.raises(LostRun):
        await write_partly(held, "from the grave")
    before = len(client.outcomes)

    for act in (held.finish(Status.COMPLETED, Batch()), held.release(), held.write(Batch())):
        with pytest.raises(LostRun):
            await act

    assert client.outcomes[before:] == []


@pytest.mark.parametrize("is_end", [True, False])
async def test_a_holder_learns_from_a_refused_end_that_it_lost_its_run(scene, is_end):
    held = await scene.begin()
    second = await taken_over(scene, held)
    await taken_over(scene, second)

    with pytest.raises(LostRun):
        await (held.finish(Status.COMPLETED, Batch()) if is_end else held.release())

    assert held.stop_reason is Interruption.LOST


async def test_a_write_that_the_server_cannot_carry_out_loses_that_run_only(scene, caplog):
    held = await scene.begin()
    elsewhere = await scene.begin(thread_id=ids.new_thread_id())
    key = scene.keys.run(held.record.id)
    events = await scene.command("HGET", key, "events")
    await scene.command("HSET", key, "events", "not a number")

    held.put(begin_message())
    elsewhere.put(begin_message())
    await elsewhere.stored()
    with pytest.raises(LostRun):
        await held.stored()

    assert held.stop_reason is Interruption.LOST
    assert elsewhere.stop_reason is None
    assert held.record.id in caplog.text
    await scene.command("HSET", key, "events", events)


# ---- being stopped ------------------------------------------------------------------------------


async def test_who_asks_late_is_told_at_once_that_the_run_is_to_stop(scene):
    held = await scene.begin()
    told: list[bool] = []

    held.stop(Interruption.YIELD)
    held.on_stop(lambda: told.append(True))

    assert told == [True]


async def test_the_first_reason_to_stop_stays_and_interrupts_once(scene):
    held = await scene.begin()
    told: list[bool] = []
    held.on_stop(lambda: told.append(True))

    held.stop(Interruption.CANCEL)
    held.stop(Interruption.YIELD)

    assert held.stop_reason is Interruption.CANCEL
    assert told == [True]


async def test_a_run_that_is_lost_is_lost_whatever_was_the_reason_before(scene):
    held = await scene.begin()
    told: list[bool] = []
    held.on_stop(lambda: told.append(True))

    held.stop(Interruption.YIELD)
    held.stop(Interruption.LOST)

    assert held.stop_reason is Interruption.LOST
    assert told == [True]


async def test_giving_back_what_is_lost_meanwhile_ends(scene, monkeypatch):
    held = await scene.begin()
    monkeypatch.setattr(
        scene.store.session.pipeline, "put", lambda _: None
    )  # the wire is busy, for long
    held.delta(0, "text")
    held.stop(Interruption.YIELD)
    giving = asyncio.ensure_future(held.release())
    await asyncio.sleep(0)

    held.stop(Interruption.LOST)

    with pytest.raises(LostRun):
        await asyncio.wait_for(giving, 3)
