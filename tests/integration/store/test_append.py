"""append: a holder writes; a write that is old, repeated or not its own changes nothing."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.state_machine.commands import Write
from tests.support.store.scene import (
    OTHER,
    begin_call,
    begin_message,
    end_message,
    write_partly,
)

from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.interruption import Interruption, LostRun

DELTA = Write(records=(["d", 0, ["hello"]],))


async def test_a_batch_is_stored_under_the_next_numbers(scene, client):
    held = await scene.begin()
    before = (await scene.record(held.record.id)).events

    await write_partly(held, "Hel", "lo")

    assert client.outcomes[-1] == "ok"
    events = await scene.events(held.record.id, after=before)
    assert [event.id for event in events] == [before + n for n in range(1, 7)]
    assert [event.event for event in events[-3:]] == [
        "thread.message.in_progress",
        "thread.message.delta",
        "thread.message.delta",
    ]


async def test_a_turns_items_steps_and_events_are_one_script(scene, client):
    held = await scene.begin()
    await write_partly(held, "Hello!")
    before = len(client.outcomes)

    await held.write(end_message(held.record, "Hello!"))

    assert client.outcomes[before:] == ["ok"]
    assert await scene.texts() == ["hello", "Hello!"]
    [step] = await scene.store.runs.steps(held.record.id)
    assert (step.status, step.usage.total_tokens) == ("completed", 7)
    assert (await scene.record(held.record.id)).turn == 1
    names = await scene.event_names(held.record.id)
    assert names[-2:] == ["thread.message.completed", "thread.run.step.completed"]


async def test_what_comes_while_a_write_is_under_way_joins_the_next_one(scene, client):
    held = await scene.begin()
    before = len(client.outcomes)

    with client.answers_held():
        held.put(begin_message())
        await asyncio.sleep(0)
        for text in "abcdefgh":
            held.delta(0, text)
            await asyncio.sleep(0)
    await held.stored()

    assert client.outcomes[before:] == ["ok", "ok"]
    texts = [e.data["delta"]["content"][0]["text"]["value"] for e in await _deltas(scene, held)]
    assert "".join(texts) == "abcdefgh"


async def test_a_lost_answer_doubles_nothing(scene, client):
    held = await scene.begin()
    held.put(begin_message())
    held.delta(0, "only once")

    client.lose_next_answer()
    await held.stored()
    held.delta(0, " and then this")
    await held.stored()

    assert client.outcomes[-3:] == ["ok", "again", "ok"]
    assert len(await _deltas(scene, held)) == 2


async def test_an_open_call_that_is_sent_twice_stays_open_once(scene, client):
    held = await scene.begin()

    client.lose_next_answer()
    await held.write(begin_call(held.record, "call_1"))

    assert client.outcomes[-2:] == ["ok", "again"]
    assert [item["type"] for item in await scene.items()] == ["message", "tool_call"]


async def test_a_holder_whose_run_was_taken_over_stops_and_changes_nothing(scene, client):
    held = await scene.begin()
    run = await scene.record(held.record.id)
    await scene.send(scene.commands.reclaim(run.id, run.holder, run.token))
    other = await scene.claim(run.id, OTHER)
    before = await scene.contents()

    with pytest.raises(LostRun):
        await write_partly(held, "from the grave")

    assert client.outcomes[-1] == "stale"
    assert held.stop_reason is Interruption.LOST
    assert await scene.contents() == before
    await write_partly(other, "alive")


async def test_a_write_after_the_end_is_refused(scene, client):
    held = await scene.begin()
    token = (await scene.record(held.record.id)).token
    await held.finish(Status.COMPLETED, Batch())
    before = await scene.contents()

    reply = await scene.send(scene.commands.append(held.record.id, token, 2, DELTA))

    assert reply == ["stale"]
    assert await scene.contents() == before


async def test_a_serial_ahead_of_the_record_means_that_the_store_has_gone_back(scene):
    held = await scene.begin()
    token = (await scene.record(held.record.id)).token
    before = await scene.contents()

    reply = await scene.send(scene.commands.append(held.record.id, token, 2, DELTA))

    assert reply == ["rewound"]
    assert await scene.contents() == before


async def test_a_write_older_than_the_last_one_is_refused(scene):
    held = await scene.begin()
    token = (await scene.record(held.record.id)).token
    for text in "ab":
        await write_partly(held, text)
    before = await scene.contents()

    reply = await scene.send(scene.commands.append(held.record.id, token, 1, DELTA))

    assert reply == ["refused"]
    assert await scene.contents() == before


async def test_the_answer_tells_the_holder_of_a_cancel(scene):
    held = await scene.begin()
    interrupted: list[bool] = []
    held.on_stop(lambda: interrupted.append(True))

    await scene.store.runs.cancel(held.record.id)
    await write_partly(held, "still")

    assert held.stop_reason is Interruption.CANCEL
    assert interrupted == [True]


async def test_a_server_that_has_forgotten_the_script_gets_it_again(scene, client):
    held = await scene.begin()
    await write_partly(held, "before")
    await client.script_flush()

    held.delta(0, " after")
    await held.stored()

    assert len(await _deltas(scene, held)) == 2


async def test_each_reader_of_the_log_is_rung_for_at_once(scene, notifications):
    held = await scene.begin()
    async with notifications.hear(scene.keys.log(held.record.id)) as heard:
        await write_partly(held, "ding")

        last = str((await scene.record(held.record.id)).events)
        async with asyncio.timeout(3):
            while await anext(heard) != last:  # in a cluster an older one may come late
                pass


async def _deltas(scene, held):
    events = await scene.events(held.record.id)
    return [event for event in events if event.event == "thread.message.delta"]
