"""compact: the log of an ended run takes less room, and every reader finds the same events."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest
from tests.conftest import NAMESPACE
from tests.support.store.scene import OTHER, Scene, begin_call, end_message, write_partly

from threadmill_shared import ids
from threadmill_shared.events.api_objects import run_object
from threadmill_shared.events.cursor import Cursor
from threadmill_shared.events.decoder import DONE, Event
from threadmill_shared.events.follow import LogFollower
from threadmill_shared.events.shared_log import SharedLog
from threadmill_shared.records.log import HostedCodeDeltas, HostedStepBegun, LogEntry, OwnEvent
from threadmill_shared.records.run import RunRecord, Status, field_map
from threadmill_shared.store.batch import Batch
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store
from threadmill_workers.execution.held_run import HeldRun

pytestmark = pytest.mark.made_up_log
TEXTS = ("a", "", "Zürich ", '"]],["', "]],[", "\\", '"', "\n", "], [", "🙂", "d")


@pytest.fixture
def tails(scene: Scene, notifications):
    return LogFollower(scene.store, notifications)


async def follow(tails: LogFollower, run_id: str, after: int = 0) -> list[Event]:
    return [event async for group in tails.follow(run_id, after) for event in group]


async def compact(scene: Scene, held: HeldRun) -> list[Any]:
    """The outcome, and how many entries the log had and has."""
    call = scene.store.logs._scripts.compact(run_id=held.record.id)
    reply = await scene.store.session.runner.run(call)
    while reply[0] == "more":
        outcome, entries, left = await scene.store.session.runner.run(call)
        reply = [outcome, reply[1] + entries, reply[2] + left]
    return reply


def without_execution(record: RunRecord) -> RunRecord:
    """The record without what only the execution of a run needs."""
    return replace(
        record,
        queued_at=None,
        deadline=None,
        holder="",
        token="",
        task="",
        open_from=0,
        next_message=0,
        next_step=0,
        park_ms=0,
        approval_ms=0,
    )


async def raw_log(scene: Scene, held: HeldRun) -> list[Any]:
    return await scene.store.logs.raw_entries(held.record.id, 0, 10_000)


async def tell_at_random(scene: Scene, choose: random.Random) -> HeldRun:
    """Messages in pieces, alone and together, with a tool call and hosted code between them."""
    held = await scene.begin()
    for number in range(choose.randint(1, 3)):
        await write_partly(held, number=number, step=2 * number)
        for _ in range(choose.randint(0, 40)):
            for _ in range(choose.choice([1, 1, 1, 3])):
                held.delta(number, choose.choice(TEXTS))
            await held.stored()
        await held.write(end_message(held.record, "all", number=number, step=2 * number))
        batch = Batch()
        batch.record(HostedStepBegun(2 * number + 1, "call_s1", "code_interpreter"))
        batch.step(2 * number + 1, {"hosted": ["call_s1", "code_interpreter", {}]})
        await held.write(batch)
        for text in choose.choices(TEXTS, k=choose.randint(0, 5)):
            batch = Batch()
            batch.record(HostedCodeDeltas(2 * number + 1, [text]))
            await held.write(batch)
    if choose.random() < 0.5:
        await held.write(begin_call(held.record, "call_1", step=99))
    status = choose.choice([Status.COMPLETED, Status.CANCELLED])
    await held.finish(status, Batch())
    return held


@pytest.mark.parametrize("seed", range(6))
async def test_every_reader_finds_the_same_events(scene, tails, seed):
    choose = random.Random(seed)
    held = await tell_at_random(scene, choose)
    events = await scene.events(held.record.id)
    before = await scene.record(held.record.id)
    messages = await scene.store.threads.messages_of_run(before)

    outcome, entries, left = await compact(scene, held)

    assert outcome == "ok"
    assert left < entries or entries < 12
    assert await follow(tails, held.record.id) == events
    for after in range(len(events)):
        assert await scene.events(held.record.id, after) == events[after:]
    after = await scene.record(held.record.id)
    assert after == without_execution(before)
    assert run_object(after) == run_object(before)
    assert await scene.store.threads.messages_of_run(after) == messages
    for then, now in zip(events, await follow(tails, held.record.id), strict=True):
        assert now.at is not None
        assert then.at is not None
        assert abs(now.at - then.at) <= 1
    assert await scene.ttl(scene.keys.log(held.record.id)) > 0
    assert await scene.ttl(scene.keys.run(held.record.id)) > 0


@pytest.mark.parametrize("seed", range(3))
async def test_a_cursor_anywhere_in_the_log_goes_on_as_if_nothing_had_changed(scene, tails, seed):
    held = await tell_at_random(scene, random.Random(seed))
    events = await scene.events(held.record.id)
    cursors = []
    for stop in range(1, len(await raw_log(scene, held))):
        found = (await raw_log(scene, held))[:stop]
        cursor = Cursor(SharedLog(scene.store.logs, held.record), held.record, 0)
        cursors.append((cursor, await cursor.take(found)))

    await compact(scene, held)

    for cursor, seen in cursors:
        rest: list[Event] = []
        while not rest or rest[-1].event != DONE:
            rest += await cursor.read()
        assert seen + rest == events


async def test_what_was_joined_and_what_was_not_agree_also_the_other_way_round(scene, tails):
    held = await scene.begin()
    await write_partly(held)
    for text in ["one", "two", "three", "four"]:
        held.delta(0, text)
        await held.stored()
    await held.finish(Status.COMPLETED, end_message(held.record, "all"))
    pieces = [LogEntry.read(id, field_map(fields)) for id, fields in await raw_log(scene, held)]
    await compact(scene, held)
    joined = [LogEntry.read(id, field_map(fields)) for id, fields in await raw_log(scene, held)]

    for one in pieces:
        found = [other for other in joined if one.agrees_with(other)]
        assert len(found) == 1
        assert found[0].agrees_with(one)
        assert not one.agrees_with(LogEntry(one.last, [OwnEvent("other", {})], one.at, one.at))


async def test_nothing_changes_while_somebody_follows_the_log(scene, tails):
    held = await scene.begin()
    groups = tails.follow(held.record.id)
    await anext(groups)
    await write_partly(held, "a", "b")
    await held.finish(Status.COMPLETED, end_message(held.record, "all"))
    before = await raw_log(scene, held)

    await scene.store.logs.compact([held.record.id])

    assert await raw_log(scene, held) == before
    await groups.aclose()


async def test_nothing_changes_before_the_end_and_no_log_comes_back(scene):
    held = await scene.begin()
    await write_partly(held, "a")
    before = await scene.contents()
    assert await compact(scene, held) == ["moved"]
    assert await scene.contents() == before
    await held.finish(Status.COMPLETED, end_message(held.record, "a"))
    await scene.command("DEL", scene.keys.log(held.record.id))
    assert await compact(scene, held) == ["moved"]
    assert not await scene.store.logs.exists(held.record.id)


@pytest.mark.parametrize("pieces", [250, 251, 600])
async def test_a_long_log_is_compacted_part_by_part(scene, tails, pieces):
    held = await scene.begin()
    await write_partly(held)
    for number in range(pieces - len(await raw_log(scene, held)) - 2):
        held.delta(0, f"{number} ")
        await held.stored()
    await held.finish(Status.COMPLETED, end_message(held.record, "all"))
    run_id, parts = held.record.id, 0
    events, entries = await scene.events(run_id), len(await raw_log(scene, held))
    call = scene.store.logs._scripts.compact(run_id=run_id)

    while (await scene.store.session.runner.run(call))[0] == "more":
        parts += 1
        made = scene.keys.log(run_id).replace(":log:", ":compacted:")
        assert await scene.ttl(made) > 0
        assert await scene.events(run_id) == events

    assert parts == entries // 250
    assert len(await raw_log(scene, held)) < 10 + 2 * parts
    assert await follow(tails, run_id) == events
    assert not await scene.command("EXISTS", made)


async def half_compacted(scene: Scene) -> tuple[HeldRun, str]:
    """A run whose log is made anew, and the key of what is made of it so far."""
    held = await scene.begin()
    await write_partly(held)
    for number in range(300):
        held.delta(0, f"{number} ")
        await held.stored()
    await held.finish(Status.COMPLETED, end_message(held.record, "all"))
    call = scene.store.logs._scripts.compact(run_id=held.record.id)
    assert (await scene.store.session.runner.run(call))[0] == "more"
    made = scene.keys.log(held.record.id).replace(":log:", ":compacted:")
    assert await scene.command("EXISTS", made)
    return held, made


async def test_of_a_deleted_thread_nothing_is_left_that_compaction_has_made(scene):
    held, made = await half_compacted(scene)
    await scene.store.threads.delete(held.record.thread_id)
    assert not await scene.command("EXISTS", made)


async def test_what_was_made_of_a_run_that_is_gone_is_removed(scene):
    held, made = await half_compacted(scene)
    await scene.command("DEL", scene.keys.run(held.record.id))
    assert await scene.store.logs.compact([held.record.id]) == ["moved"]
    assert not await scene.command("EXISTS", made)


async def test_a_log_that_is_followed_before_all_its_parts_are_made_stays_as_it_is(scene, tails):
    held = await scene.begin()
    await write_partly(held)
    for number in range(300):
        held.delta(0, f"{number} ")
        await held.stored()
    await held.finish(Status.COMPLETED, end_message(held.record, "all"))
    before = await raw_log(scene, held)
    call = scene.store.logs._scripts.compact(run_id=held.record.id)
    assert (await scene.store.session.runner.run(call))[0] == "more"
    groups = tails.follow(held.record.id)
    await anext(groups)

    assert await scene.store.logs.compact([held.record.id]) == ["followed"]

    assert await raw_log(scene, held) == before
    await groups.aclose()
    while await scene.store.logs.compact([held.record.id]) == ["followed"]:
        await asyncio.sleep(0.01)  # until it has unsubscribed
    assert len(await raw_log(scene, held)) < 20


async def test_whatever_comes_late_is_told_what_it_was_told_before(scene):
    new = scene.new_run(idempotency_key="once")
    run_id = (await scene.store.runs.enqueue(new)).run_id
    held = await scene.claim(run_id)
    assert isinstance(held, HeldRun)
    await write_partly(held, "a")
    await held.finish(Status.COMPLETED, end_message(held.record, "a"))

    async def late() -> list[Any]:
        again = await scene.store.runs.enqueue(new)
        same = await scene.enqueue(idempotency_key="once")
        ended = await scene.store.runs.cancel(run_id)
        forced = await scene.store.runs.force_end(run_id)
        reclaimed = await scene.store.runs.reclaim(await scene.record(run_id), max_deaths=1)
        claimed = await scene.claim(run_id, OTHER)
        return [again, same, ended, forced, reclaimed.outcome, claimed]

    before = await late()
    assert await compact(scene, held) != ["moved"]
    assert await late() == before


async def test_a_run_that_was_ended_by_force_is_reported_once_though_it_is_compacted(scene):
    run_id = (await scene.enqueue()).run_id
    await scene.store.runs.cancel(run_id)
    assert isinstance(await scene.claim(run_id), RunRecord)
    assert await scene.store.logs.compact([run_id]) == ["ok"]
    assert await scene.claim(run_id, OTHER) is None
    assert await scene.status(run_id) is Status.CANCELLED


async def test_each_run_has_an_outcome_in_order(scene, tails):
    held = [await scene.begin(thread_id=ids.new_thread_id()) for _ in range(3)]
    for one in held[:2]:
        await write_partly(one, "a")
        await one.finish(Status.COMPLETED, end_message(one.record, "a"))
    groups = tails.follow(held[0].record.id)
    await anext(groups)

    outcomes = await scene.store.logs.compact([one.record.id for one in held])

    assert outcomes == ["followed", "ok", "moved"]
    await groups.aclose()


async def test_a_pause_stays_where_it_was(scene, tails):
    held = await scene.begin()
    await write_partly(held, "a")
    for text in ("b", "c"):
        held.delta(0, text)
        await held.stored()
    await asyncio.sleep(1.1)
    for text in ("d", "e"):
        held.delta(0, text)
        await held.stored()
    await held.finish(Status.COMPLETED, end_message(held.record, "abcde"))
    before = [event.at for event in await scene.events(held.record.id)]

    await compact(scene, held)

    after = [event.at for event in await follow(tails, held.record.id)]
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) < 0.5


async def test_a_run_of_two_hundred_tokens_takes_little_room(scene):
    held = await scene.begin()
    await write_partly(held)
    for number in range(200):
        held.delta(0, f"{number} ")
        await held.stored()
    await held.finish(Status.COMPLETED, end_message(held.record, "all"))
    run_id = held.record.id
    keys = (scene.keys.log(run_id), scene.keys.items(held.record.thread_id), scene.keys.run(run_id))
    before = [await scene.command("MEMORY", "USAGE", key, "SAMPLES", 0) for key in keys]

    await compact(scene, held)

    assert len(await raw_log(scene, held)) < 15
    log, items, record = [await scene.command("MEMORY", "USAGE", key, "SAMPLES", 0) for key in keys]
    assert before[0] > 10_000
    assert log < 5_000
    assert items < 3_000
    assert record < 0.7 * before[2]


async def test_a_large_log_stays_as_it_is(scene):
    held = await scene.begin()
    await write_partly(held)
    for number in range(20):
        held.delta(0, f"{number} " + "x" * 30_000)
        await held.stored()
    await held.finish(Status.COMPLETED, Batch())
    before = await raw_log(scene, held)

    assert await compact(scene, held) == ["moved"]
    assert await raw_log(scene, held) == before


async def test_of_a_thread_with_large_items_only_the_log_is_compacted(scene):
    held = await scene.begin("x" * 100_000)
    await write_partly(held, *"abcdef")
    for _ in range(6):
        held.delta(0, "g")
        await held.stored()
    await held.finish(Status.COMPLETED, end_message(held.record, "all"))
    items = scene.keys.items(held.record.thread_id)
    before = await scene.command("MEMORY", "USAGE", items)

    [outcome, entries, left] = await compact(scene, held)

    assert (outcome, left < entries) == ("ok", True)
    assert await scene.command("MEMORY", "USAGE", items) == before


@pytest.mark.any_server
@pytest.mark.parametrize(("right", "outcome"), [("-copy", "denied"), ("-pubsub", "followed")])
async def test_without_the_rights_that_it_needs_nothing_changes(scene, redis_url, right, outcome):
    held = await scene.begin()
    await write_partly(held, "a", "b")
    await held.finish(Status.COMPLETED, end_message(held.record, "ab"))
    before = await scene.contents()
    user = f"poor{held.record.id}"
    await scene.command("ACL", "SETUSER", user, "on", "nopass", "~*", "&*", "+@all", right)
    poor = Store(connect(redis_url, username=user, password="any"), NAMESPACE)

    assert await poor.logs.compact([held.record.id]) == [outcome]

    assert await scene.contents() == before
    await poor.close()
    await scene.command("ACL", "DELUSER", user)
