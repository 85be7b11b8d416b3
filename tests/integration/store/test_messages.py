"""Reading a thread's messages: pages, and what a page costs."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic_core import from_json
from tests.support.store.scene import begin_call, end_message, write_partly

from threadmill_shared import errors, ids
from threadmill_shared.records.messages import user_message
from threadmill_shared.records.run import Status
from threadmill_shared.store.store import Store


@pytest.fixture
def numbered(scene, run):
    """Ids of ten messages, `0` to `9`."""
    return run(add_numbered(scene, 10))


async def add_numbered(scene, count):
    named = [(ids.new_message_id(), str(number)) for number in range(count)]
    for start in range(0, count, 1000):
        page = [(id, user_message(id, text)) for id, text in named[start : start + 1000]]
        await scene.store.threads.add(scene.thread_id, page, create=True)
    return [id for id, _ in named]


async def texts(scene, limit, *, before=None, after=None):
    page = await scene.store.threads.messages(scene.thread_id, limit, before, after)
    return "".join(message.text for message in page)


async def test_the_newest_messages_come_in_ascending_order(scene, numbered):
    assert await texts(scene, 3) == "789"
    assert await texts(scene, 100) == "0123456789"


async def test_a_page_before_a_message_ends_right_before_it(scene, numbered):
    assert await texts(scene, 3, before=numbered[7]) == "456"
    assert await texts(scene, 3, before=numbered[0]) == ""


async def test_a_page_after_a_message_begins_right_behind_it(scene, numbered):
    assert await texts(scene, 3, after=numbered[2]) == "345"
    assert await texts(scene, 3, after=numbered[9]) == ""


async def test_a_page_can_lie_between_two_messages(scene, numbered):
    assert await texts(scene, 3, after=numbered[1], before=numbered[9]) == "234"
    assert await texts(scene, 100, after=numbered[1], before=numbered[4]) == "23"


async def test_pages_laid_together_give_the_whole_thread(scene, numbered):
    read, after = "", None
    while page := await scene.store.threads.messages(
        scene.thread_id, 3, None, after or numbered[0]
    ):
        read += "".join(message.text for message in page)
        after = page[-1].id

    assert read == "123456789"


async def test_an_unknown_message_is_an_error(scene, numbered):
    for place in ({"before": ids.new_message_id()}, {"after": "msg_0"}, {"after": "*"}):
        with pytest.raises(errors.BadMessage):
            await texts(scene, 3, **place)


async def test_an_empty_thread_has_no_messages(scene):
    assert await scene.store.threads.messages(scene.thread_id, 10, None, None) == []


async def test_calls_and_their_outputs_are_no_messages(scene):
    held = await scene.begin("roll")
    await held.write(begin_call(held.record, "call_1"))
    await write_partly(held, "A four.", step=1)
    await held.finish(Status.COMPLETED, end_message(held.record, "A four.", step=1))

    assert await scene.texts() == ["roll", "A four."]
    assert len(await scene.items()) == 4


async def test_a_runs_messages_are_its_own(scene):
    for question, answer in (("one?", "One."), ("two?", "Two.")):
        held = await scene.begin(question)
        await held.finish(Status.COMPLETED, end_message(held.record, answer))
    waiting = await scene.enqueue("three?")
    await scene.enqueue("four?")

    of_second = await scene.store.threads.messages_of_run(await scene.record(held.record.id))
    of_third = await scene.store.threads.messages_of_run(await scene.record(waiting.run_id))

    assert [message.text for message in of_second] == ["two?", "Two."]
    assert [message.text for message in of_third] == ["three?"]


async def test_a_waiting_run_shows_the_message_that_has_not_entered_yet(scene):
    await scene.enqueue("first")
    waiting = await scene.enqueue("second")
    silent = await scene.enqueue(None)

    of_waiting = await scene.store.threads.messages_of_run(await scene.record(waiting.run_id))
    of_silent = await scene.store.threads.messages_of_run(await scene.record(silent.run_id))

    assert [message.text for message in of_waiting] == ["second"]
    assert of_silent == []


async def test_a_page_of_a_long_thread_costs_what_the_page_costs(scene, client):
    numbered = await add_numbered(scene, 3000)

    for place in (
        {"before": None, "after": None},
        {"before": numbered[1500], "after": None},
        {"before": None, "after": numbered[1500]},
    ):
        client.commands.clear()
        page = await scene.store.threads.messages(scene.thread_id, 20, **place)
        assert len(page) == 20
        assert Counter(client.commands)["XRANGE"] <= 20
        assert len(client.commands) <= 22


async def test_a_history_is_read_in_pages(scene, client):
    await add_numbered(scene, 1000)
    client.commands.clear()

    items = await scene.store.threads.items(scene.thread_id, 101, 900)

    assert [item["content"][0]["text"]["value"] for item, *_ in items] == [
        str(number) for number in range(100, 900)
    ]
    assert client.commands.count("XRANGE") == 4
    assert len(await scene.store.threads.items(scene.thread_id, 999, 5000)) == 2


async def test_the_last_items_are_read_without_those_before(scene, client):
    await add_numbered(scene, 1000)
    client.commands.clear()

    items = await scene.store.threads.items_before(scene.thread_id, 990, 3)

    assert [position for position, _ in items] == [988, 989, 990]
    assert [from_json(item)["content"][0]["text"]["value"] for _, item in items] == [
        *("987", "988", "989")
    ]
    assert len(client.commands) == 1


async def test_two_namespaces_of_one_server_do_not_see_each_other(scene, client):
    run = await scene.enqueue()
    other = Store(client, "other")

    assert await other.runs.record(run.run_id) is None
    assert await other.threads.messages(scene.thread_id, 10, None, None) == []
    with pytest.raises(errors.ThreadNotFound):
        await other.threads.delete(scene.thread_id)


async def test_messages_that_are_deleted_while_they_are_read_are_left_out(scene, client, numbered):
    assert len(numbered) == 10
    await client.delete(scene.keys.items(scene.thread_id))

    assert await scene.store.threads.messages(scene.thread_id, 100, None, None) == []


async def test_a_page_of_messages_takes_a_few_round_trips(scene, client, numbered, monkeypatch):
    trips = 0
    pipeline = client.pipeline

    def counted(**options):
        nonlocal trips
        trips += 1
        return pipeline(**options)

    monkeypatch.setattr(client, "pipeline", counted, raising=False)

    assert await texts(scene, 10) == "0123456789"
    assert trips <= 3
    assert len(numbered) == 10


async def test_a_message_that_cannot_be_read_is_an_error_of_ours_that_quotes_nothing(scene):
    item = user_message(ids.new_message_id(), "Hello!")
    await scene.store.threads.add(
        scene.thread_id, [(item["id"], item | {"status": "a secret"})], create=True
    )
    with pytest.raises(errors.StoreIncompatible, match=rf"{item['id']} .*\(status\)") as caught:
        await scene.store.threads.messages(scene.thread_id, 10, None, None)
    assert "secret" not in str(caught.value)


async def test_only_what_a_run_has_written_has_its_id(scene):
    """Programs take all messages with a run's id for its answer."""
    held = await scene.begin("one?")
    await held.finish(Status.COMPLETED, end_message(held.record, "One."))
    waiting = await scene.enqueue("two?", thread_id=scene.thread_id)
    await scene.enqueue("three?", when_busy="queue")

    read = await scene.store.threads.messages(scene.thread_id, 10, None, None)
    of_run = await scene.store.threads.messages_of_run(await scene.record(held.record.id))
    of_waiting = await scene.store.threads.messages_of_run(await scene.record(waiting.run_id))

    assert [one.run_id for one in read] == [None, held.record.id, None]
    assert [one.run_id for one in of_run] == [None, held.record.id]
    assert [one.run_id for one in of_waiting] == [None]
    # The item itself keeps who has brought it: a refused message is told from those behind it.
    stored = [item["run_id"] for item in await scene.items()]
    assert stored == [held.record.id, held.record.id, waiting.run_id]
