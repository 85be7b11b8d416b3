"""The event log, as readers see it: live, late, from the middle, and when it has expired."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.servers.clients import ask_all
from tests.support.store.scene import OTHER, Scene, begin_call, end_message, write_partly
from tests.support.waiting import wait_until_async

from threadmill_shared import errors, ids
from threadmill_shared.events.decoder import Event
from threadmill_shared.events.follow import LogFollower
from threadmill_shared.records.log import MessageDeltas, ToolCallAnswered, ToolStepEnded
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.held_run import HeldRun


@pytest.fixture
def tails(scene: Scene, notifications):
    return LogFollower(scene.store, notifications)


async def follow(tails: LogFollower, run_id: str, after: int = 0) -> list[Event]:
    return [event async for group in tails.follow(run_id, after) for event in group]


async def tell_a_story(scene: Scene, held: HeldRun) -> None:
    """Write a message piece by piece, call a tool, write again, and end."""
    await write_partly(held, "I will ", "roll.")
    await held.write(end_message(held.record, "I will roll."))
    await held.write(begin_call(held.record, "call_1", step=1))
    batch = Batch()
    body = {"type": "tool_calls", "calls": [["call_1", "roll_dice", '{"n":5}', "4"]]}
    batch.step(1, body, "completed")
    batch.record(ToolCallAnswered(1, 0, "call_1", "4"))
    batch.record(ToolStepEnded(1, "completed", body))
    batch.close_call("call_1")
    await held.write(batch)
    await write_partly(held, "A ", "four", ".", number=1, step=2)
    await held.finish(Status.COMPLETED, end_message(held.record, "A four.", number=1, step=2))


# ---- one log, however it is read -------------------------------------------------------------


async def test_a_log_read_live_and_read_late_gives_the_same_events(scene, tails):
    held = await scene.begin()
    live = asyncio.ensure_future(follow(tails, held.record.id))
    await tell_a_story(scene, held)

    late = await follow(tails, held.record.id)

    assert await live == late
    assert [event.id for event in late] == list(range(1, len(late) + 1))
    assert [event.event for event in late].count("done") == 1
    assert [event.event for event in late[-2:]] == ["thread.run.completed", "done"]


async def test_a_log_read_in_two_halves_gives_the_same_events_wherever_it_is_cut(scene, tails):
    held = await scene.begin()
    await tell_a_story(scene, held)
    whole = await follow(tails, held.record.id)

    for cut in range(len(whole)):
        assert whole[:cut] + await follow(tails, held.record.id, after=cut) == whole


async def test_deltas_that_were_joined_in_one_entry_can_be_read_from_their_middle(scene, tails):
    held = await scene.begin()
    await write_partly(held)
    batch = Batch()
    for text in "abcde":
        batch.delta(0, text)
    await held.write(batch)
    await held.finish(Status.COMPLETED, end_message(held.record, "abcde"))
    [entry] = [
        entry
        for entry in await scene.store.logs.entries(held.record.id)
        if isinstance(entry.records[0], MessageDeltas)
    ]
    assert entry.last - entry.first == 4

    events = await follow(tails, held.record.id, after=entry.first + 1)

    texts = [e.data["delta"]["content"][0]["text"]["value"] for e in events[:3]]
    assert texts == ["c", "d", "e"]
    assert events[0].id == entry.first + 2


async def test_an_entry_is_named_by_the_number_of_its_last_event(scene):
    held = await scene.begin()
    await tell_a_story(scene, held)

    found = await scene.command("XRANGE", scene.keys.log(held.record.id), "-", "+")

    names = [int(id.partition("-")[0]) for id, _ in found]
    entries = await scene.store.logs.entries(held.record.id)
    assert names == [entry.last for entry in entries]
    assert [entry.first for entry in entries[1:]] == [name + 1 for name in names[:-1]]


async def test_what_ends_later_tells_when_it_began(scene):
    held = await scene.begin()
    await write_partly(held, "slow")
    [began] = await scene.store.logs.entries(held.record.id, after=7)
    await scene.passes(began.at)

    await held.write(end_message(held.record, "slow"))

    [ended] = await scene.store.logs.entries(held.record.id, after=8)
    assert ended.began == began.at < ended.at


async def test_a_long_log_is_read_in_pages(scene, tails):
    held = await scene.begin()
    await write_partly(held)
    texts = [f"{number} " for number in range(450)]
    for text in texts:
        await held.write(_delta(text))
    await held.finish(Status.COMPLETED, end_message(held.record, "".join(texts)))

    events = await follow(tails, held.record.id)

    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert sum(event.event == "thread.message.delta" for event in events) == 450


async def test_a_reader_that_waits_is_woken_at_once(scene, tails):
    held = await scene.begin()
    groups = tails.follow(held.record.id)
    await anext(groups)
    waiting = asyncio.ensure_future(anext(groups))
    await asyncio.sleep(0.05)

    begun = asyncio.get_running_loop().time()
    await write_partly(held, "now")
    await waiting

    assert asyncio.get_running_loop().time() - begun < 0.5
    await groups.aclose()


async def test_a_reader_whose_bell_was_lost_looks_by_itself(scene, tails):
    held = await scene.begin()
    groups = tails.follow(held.record.id)
    await anext(groups)
    waiting = asyncio.ensure_future(anext(groups))
    await asyncio.sleep(0.05)

    key, run_key = (
        scene.keys.log(held.record.id),
        scene.keys.run(held.record.id),
    )
    number = await scene.command("HINCRBY", run_key, "events", 1)
    await scene.command("XADD", key, number, "e", '["x","threadmill.quiet",{}]', "t", 1)

    [event] = await asyncio.wait_for(waiting, 3)
    assert event.event == "threadmill.quiet"
    await groups.aclose()


async def test_a_reader_that_keeps_up_reads_the_log_once_for_each_write(scene, client, tails):
    held = await scene.begin()
    await write_partly(held)
    groups = tails.follow(held.record.id)
    await anext(groups)
    await ask_all(client, "config_resetstat")

    for number in range(10):
        waiting = asyncio.ensure_future(anext(groups))
        await asyncio.sleep(0.03)
        await held.write(_delta(f"{number} "))
        await waiting

    statistics = await ask_all(client, "info", "commandstats")
    assert 10 <= _calls(statistics, "xrange") <= 12
    assert _calls(statistics, "hgetall") <= 2
    await groups.aclose()


def _calls(statistics, command):
    return sum(node.get(f"cmdstat_{command}", {"calls": 0})["calls"] for node in statistics)


# ---- notifications -------------------------------------------------------------------------


async def test_a_bell_keeps_messages_only_for_whoever_hears_them(client, notifications, channel):
    async with notifications.listen(channel) as bell, notifications.hear(channel) as heard:
        await client.publish(channel, "first")
        await client.publish(channel, "second")

        assert [await anext(heard), await anext(heard)] == ["first", "second"]
        assert bell.is_set()
        assert not bell.messages


async def test_a_subscription_that_failed_is_repeated(client, notifications, channel):
    await ask_all(client, "config_set", "maxclients", 1)
    try:
        async with notifications.hear(channel) as heard:
            await ask_all(client, "config_set", "maxclients", 10_000)
            waiting = asyncio.ensure_future(anext(heard))

            async def is_heard() -> bool:
                await client.publish(channel, "now")
                return waiting.done()

            await wait_until_async(is_heard, "it is subscribed")
            assert waiting.result() == "now"
    finally:
        await ask_all(client, "config_set", "maxclients", 10_000)


async def test_a_message_that_makes_no_sense_does_not_end_the_subscription(
    client, notifications, channel
):
    async with notifications.hear(channel) as heard:
        waiting = asyncio.ensure_future(anext(heard))
        await client.publish(channel, b"\xff")
        await asyncio.sleep(0.05)
        await client.publish(channel, "now")
        assert await asyncio.wait_for(waiting, 3) == "now"


# ---- places outside of the log ------------------------------------------------------------------


async def test_a_place_behind_the_end_of_an_ended_run_ends_at_once(scene, tails):
    held = await scene.begin()
    await held.finish(Status.COMPLETED, Batch())

    last = (await scene.record(held.record.id)).events
    assert await follow(tails, held.record.id, after=last) == []
    assert await follow(tails, held.record.id, after=last + 1000) == []


async def test_a_fresh_reader_of_an_expired_log_gets_the_terminal_events(scene, tails):
    held = await scene.begin()
    await tell_a_story(scene, held)
    whole = await follow(tails, held.record.id)
    await scene.command("DEL", scene.keys.log(held.record.id))

    assert await follow(tails, held.record.id) == whole[-2:]


async def test_a_reader_in_the_middle_of_an_expired_log_is_told_what_is_left(scene, tails):
    held = await scene.begin()
    await tell_a_story(scene, held)
    last = (await scene.record(held.record.id)).events
    await scene.command("DEL", scene.keys.log(held.record.id))

    with pytest.raises(errors.EventsExpired) as expired:
        await follow(tails, held.record.id, after=5)

    assert (expired.value.first, expired.value.last) == (last - 1, last)


async def test_a_reader_whose_next_event_is_gone_is_told_where_the_log_begins(scene, tails):
    held = await scene.begin()
    await tell_a_story(scene, held)
    entries = await scene.store.logs.entries(held.record.id)
    key = scene.keys.log(held.record.id)
    await scene.command("XTRIM", key, "MINID", entries[3].last)

    with pytest.raises(errors.EventsExpired) as expired:
        await follow(tails, held.record.id, after=1)

    assert expired.value.first == entries[3].first
    assert expired.value.last == entries[-1].last


@pytest.mark.parametrize("left", [1, 2])
async def test_a_reader_near_the_end_of_an_expired_log_gets_the_rest(scene, tails, left):
    held = await scene.begin()
    await tell_a_story(scene, held)
    whole = await follow(tails, held.record.id)
    await scene.command("DEL", scene.keys.log(held.record.id))

    assert await follow(tails, held.record.id, after=len(whole) - left) == whole[-left:]


async def test_a_run_that_is_not_there_is_an_error(scene, tails):
    with pytest.raises(errors.RunNotFound):
        await follow(tails, ids.new_run_id(scene.thread_id))


async def test_a_run_that_goes_while_it_is_followed_is_lost(scene, client, tails):
    held = await scene.begin()
    groups = tails.follow(held.record.id)
    await anext(groups)

    await client.flushdb()

    with pytest.raises(errors.RunLost):
        await anext(groups)


# ---- texts that were abandoned ------------------------------------------------------------------


async def test_the_text_of_a_forced_end_is_joined_from_its_deltas(scene, tails):
    held = await scene.begin()
    await write_partly(held, "Once", " upon")
    held.delta(0, " a time")
    await held.stored()
    await scene.store.runs.cancel(held.record.id)
    await scene.store.runs.force_end(held.record.id)

    events = await follow(tails, held.record.id)

    [incomplete] = [event for event in events if event.event == "thread.message.incomplete"]
    assert incomplete.data["content"][0]["text"]["value"] == "Once upon a time"
    assert incomplete.data["incomplete_details"] == {"reason": "run_cancelled"}


async def test_each_abandoned_text_is_its_own(scene, tails):
    held = await scene.begin()
    await write_partly(held, "first ", "try")
    await held.release()
    again = await scene.claim(held.record.id, OTHER)
    await write_partly(again, "second", number=1, step=1)
    await scene.store.runs.cancel(held.record.id)
    await scene.store.runs.force_end(held.record.id)

    events = await follow(tails, held.record.id)

    incomplete = [e.data for e in events if e.event == "thread.message.incomplete"]
    assert [data["content"][0]["text"]["value"] for data in incomplete] == ["first try", "second"]
    assert len({data["id"] for data in incomplete}) == 2
    assert await scene.texts() == ["hello", "second"]


async def test_the_end_of_a_run_can_be_waited_for(scene, tails):
    held = await scene.begin()
    ended = asyncio.ensure_future(tails.ended(held.record.id))
    await asyncio.sleep(0.05)
    assert not ended.done()

    await held.finish(Status.COMPLETED, Batch())

    assert (await ended).status is Status.COMPLETED


def _delta(text: str) -> Batch:
    batch = Batch()
    batch.delta(0, text)
    return batch
