"""claim: a worker takes a queued run at its thread's head; all other deliveries come to nothing."""

from __future__ import annotations

import asyncio

import pytest
from pydantic_core import from_json
from tests.support.store.scene import HOLDER, OTHER, Scene, write_partly

from threadmill_shared import ids
from threadmill_shared.records.messages import user_message
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.store.batch import Batch
from threadmill_shared.store.files import read_left_out
from threadmill_shared.store.held_runs import RECENT_BYTES, RECENT_ITEMS


async def test_a_queued_run_at_the_head_is_claimed(scene, client):
    await scene.enqueue("earlier")
    run = (await scene.begin(thread_id=(other := ids.new_thread_id()))).record

    assert client.outcomes[-1] == "claimed"
    assert run.status is Status.IN_PROGRESS
    assert (run.attempts, run.worker, run.holder) == (1, "host:1", "host:1:aaaa")
    assert run.thread_id == other


async def test_a_claimed_run_stands_in_the_indexes_of_its_holder_only(scene):
    held = await scene.begin()

    assert await scene.members("dispatched") == []
    assert await scene.members(f"held:{HOLDER.id}") == [held.record.id]
    assert await scene.members("holders") == [HOLDER.id]
    assert await scene.members("deadlines") == [held.record.id]


async def test_a_claim_tells_the_time_left_and_the_position_of_the_last_item(scene):
    held = await scene.begin("hello", run_seconds=60)

    assert held.seconds_left == pytest.approx(60, abs=0.5)
    assert held.position == 1


async def test_a_claim_tells_the_newest_items_of_the_thread(scene):
    await add_messages(scene, "one", "two")
    held = await scene.begin("three")

    items = [from_json(text) for _, text in held.take_recent_items()]

    assert items == await scene.items()
    assert [*held.take_recent_items()] == []


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ([1] * (RECENT_ITEMS - 1), RECENT_ITEMS),
        ([1] * RECENT_ITEMS, RECENT_ITEMS),
        ([1] * 100, RECENT_ITEMS),
        ([RECENT_BYTES, 1, 1], 3),
        ([1, RECENT_BYTES], 1),
        ([RECENT_BYTES // 3] * 3 + [1] * 6, 9),
    ],
)
async def test_a_claim_tells_neither_many_items_nor_large_ones(scene, sizes, told):
    await add_messages(scene, *("x" * size for size in sizes))
    held = await scene.begin("y")

    items = held.take_recent_items()

    assert len(items) == told
    assert [from_json(text) for _, text in items] == (await scene.items())[-told:]
    assert [position for position, _ in items] == [*range(1, held.position + 1)][-told:]
    assert sum(len(text) for _, text in items) <= RECENT_BYTES


async def test_a_claim_tells_what_models_did_not_take_of_the_thread(scene):
    held = await scene.begin()
    notes = {"gpt-5.4-mini": {"files": ((1, 2),)}}
    assert held.left_out == ""

    await held.note_left_out(notes)
    await held.finish(Status.COMPLETED, Batch())

    assert read_left_out((await scene.begin()).left_out) == notes


async def test_a_repeated_claim_tells_the_same_of_the_thread(scene, client):
    run = await scene.enqueue("hello")
    client.lose_next_answer()

    held = await scene.claim(run.run_id)

    assert client.outcomes[-1] == "again"
    assert [from_json(text) for _, text in held.take_recent_items()] == await scene.items()


async def test_a_message_delivered_five_times_is_executed_once(scene, client):
    enqueued = await scene.enqueue()

    claims = [scene.claim(enqueued.run_id, holder) for holder in (HOLDER, OTHER) * 3]
    held = [found for found in await asyncio.gather(*claims) if found]

    assert len(held) == 1
    assert sorted(client.outcomes) == ["claimed", "dispatch", *["taken"] * 5]
    assert (await scene.record(enqueued.run_id)).attempts == 1


async def test_a_message_that_comes_before_the_runs_turn_changes_nothing(scene, client):
    await scene.enqueue()
    waiting = await scene.enqueue()
    before = await scene.contents()

    assert await scene.claim(waiting.run_id) is None
    assert client.outcomes[-1] == "waiting"
    assert await scene.contents() == before


async def test_a_message_that_comes_after_the_runs_end_changes_nothing(scene, client):
    held = await scene.begin()
    await held.finish(Status.COMPLETED, Batch())
    before = await scene.contents()

    assert await scene.claim(held.record.id) is None
    assert client.outcomes[-1] == "taken"
    assert await scene.contents() == before


async def test_of_an_end_without_a_holder_the_first_message_is_told_and_no_other(scene, client):
    enqueued = await scene.enqueue()
    await scene.store.runs.cancel(enqueued.run_id)
    assert await scene.members("unreported") == [enqueued.run_id]

    record = await scene.claim(enqueued.run_id)
    assert isinstance(record, RunRecord)
    assert record.status is Status.CANCELLED
    assert await scene.members("unreported") == []
    assert await scene.claim(enqueued.run_id) is None
    assert client.outcomes[-2:] == ["ended", "taken"]


async def test_what_a_holder_has_ended_is_not_to_be_reported(scene):
    held = await scene.begin()
    await held.finish(Status.COMPLETED, Batch())
    assert await scene.members("unreported") == []


async def test_an_unreported_run_that_is_gone_leaves_the_index(scene):
    enqueued = await scene.enqueue()
    await scene.store.runs.cancel(enqueued.run_id)
    await scene.command("DEL", scene.keys.run(enqueued.run_id))

    assert await scene.claim(enqueued.run_id) is None
    assert await scene.members("unreported") == []


async def test_a_lost_answer_tells_of_the_end_to_the_one_that_asks_again(scene, client):
    enqueued = await scene.enqueue()
    await scene.store.runs.cancel(enqueued.run_id)

    client.lose_next_answer()

    assert isinstance(await scene.claim(enqueued.run_id), RunRecord)
    assert client.outcomes[-2:] == ["ended", "ended"]


async def test_an_interrupted_run_that_nobody_held_is_to_be_reported(scene):
    first = await scene.enqueue("first")

    await scene.enqueue("second", when_busy="interrupt")

    assert await scene.members("unreported") == [first.run_id]


async def test_a_message_of_a_run_that_is_not_there_changes_nothing(scene, client):
    assert await scene.claim(ids.new_run_id(scene.thread_id)) is None
    assert client.outcomes == ["gone"]
    assert await scene.contents() == {}


async def test_a_lost_answer_gives_the_claim_to_the_one_that_asks_again(scene, client):
    enqueued = await scene.enqueue()

    client.lose_next_answer()
    held = await scene.claim(enqueued.run_id)

    assert client.outcomes[-2:] == ["claimed", "again"]
    await write_partly(held, "I am", " here")
    assert (await scene.events(enqueued.run_id))[-1].event == "thread.message.delta"


async def test_a_second_attempt_has_a_new_token_and_says_that_it_took_over(scene):
    first = await scene.begin()
    await first.release()

    second = await scene.claim(first.record.id, OTHER)

    assert second.record.token != first.record.token
    assert second.record.attempts == 2
    events = await scene.events(first.record.id)
    assert [event.event for event in events[-3:]] == [
        "thread.run.queued",
        "threadmill.run.takeover",
        "thread.run.in_progress",
    ]
    assert events[-2].data == {"worker": "host:2", "attempt": 2}


async def test_the_deadline_begins_with_the_first_claim_and_stays(scene):
    first = await scene.begin(run_seconds=60)
    deadline = (await scene.record(first.record.id)).started_at
    await first.release()

    second = await scene.claim(first.record.id)

    assert second.record.started_at == deadline
    assert second.seconds_left <= first.seconds_left


async def add_messages(scene: Scene, *texts: str) -> None:
    """Add messages of these texts to the thread."""
    named = [(ids.new_message_id(), text) for text in texts]
    messages = [(id, user_message(id, text)) for id, text in named]
    await scene.store.threads.add(scene.thread_id, messages, create=True)
