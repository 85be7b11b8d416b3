"""add: messages enter a thread that no run holds."""

from __future__ import annotations

import pytest

from threadmill_shared import errors, ids
from threadmill_shared.records.messages import user_message


def messages(*texts: str):
    return [(id, user_message(id, text)) for text in texts for id in [ids.new_message_id()]]


async def test_messages_enter_the_thread_in_their_order(scene, client):
    await scene.store.threads.add(scene.thread_id, messages("one", "two"), create=True)
    await scene.store.threads.add(scene.thread_id, messages("three"), create=False)

    assert client.outcomes == ["ok", "ok"]
    assert await scene.texts() == ["one", "two", "three"]
    key = scene.store.session.keys.thread(scene.thread_id)
    assert not await scene.command("HEXISTS", key, "metadata")


async def test_a_thread_can_be_made_without_a_message(scene):
    await scene.store.threads.add(scene.thread_id, [], create=True, metadata={"team": "blue"})

    record = await scene.store.threads.record(scene.thread_id)
    assert record.metadata == {"team": "blue"}
    assert await scene.store.threads.last_position(scene.thread_id) == 0


async def test_the_servers_time_is_returned_and_is_the_messages_own(scene):
    created = await scene.store.threads.add(scene.thread_id, messages("one"), create=True)

    [message] = await scene.store.threads.messages(scene.thread_id, 1, None, None)
    assert message.created_at == int(created.at) // 1000


async def test_a_thread_that_is_not_there_is_an_error(scene, client):
    with pytest.raises(errors.ThreadNotFound):
        await scene.store.threads.add(scene.thread_id, messages("one"), create=False)

    assert client.outcomes == ["no_thread"]
    assert await scene.contents() == {}


async def test_a_thread_that_a_run_holds_takes_no_messages(scene, client):
    held = await scene.begin()
    before = await scene.contents()

    with pytest.raises(errors.ThreadLocked) as refused:
        await scene.store.threads.add(scene.thread_id, messages("one"), create=False)

    assert client.outcomes[-1] == "locked"
    assert refused.value.run_id == held.record.id
    assert await scene.contents() == before


async def test_a_lost_answer_adds_nothing_twice(scene, client):
    client.lose_next_answer()
    await scene.store.threads.add(scene.thread_id, messages("one", "two"), create=True)

    assert client.outcomes == ["ok", "again"]
    assert await scene.texts() == ["one", "two"]


async def test_metadata_is_that_of_whoever_made_the_thread(scene):
    await scene.enqueue(thread_metadata={"team": "blue"})
    await scene.enqueue(thread_metadata={"team": "red"})
    await scene.store.threads.add(scene.thread_id, [], create=True, metadata={"team": "green"})

    record = await scene.store.threads.record(scene.thread_id)
    assert record.metadata == {"team": "blue"}


@pytest.mark.parametrize("begins_with_a_run", [True, False])
async def test_the_callers_name_for_a_thread_is_kept(scene, begins_with_a_run):
    if begins_with_a_run:
        await scene.enqueue(thread_key="u1")
    else:
        await scene.store.threads.add(scene.thread_id, [], create=True, key="u1")
    await scene.store.threads.add(scene.thread_id, [], create=True)

    record = await scene.store.threads.record(scene.thread_id)
    assert record.key == "u1"


async def test_a_thread_that_an_earlier_release_has_made_gets_its_name_later(scene):
    await scene.enqueue()
    await scene.enqueue(thread_key="u1")

    record = await scene.store.threads.record(scene.thread_id)
    assert record.key == "u1"
