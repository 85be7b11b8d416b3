"""Metadata that is changed later: of threads, with what lists show of it, and of messages."""

from __future__ import annotations

import pytest
from tests.support.store.scene import end_message, write_partly

from threadmill_shared import errors, ids
from threadmill_shared.records.list_filters import ThreadFilter
from threadmill_shared.records.messages import user_message
from threadmill_shared.records.run import Status


async def add(scene, text: str = "hello", **options) -> str:
    id = ids.new_message_id()
    await scene.store.threads.add(
        scene.thread_id, [(id, user_message(id, text, {"order": "1"}))], create=True, **options
    )
    return id


# ---- of threads --------------------------------------------------------------------------------


async def test_a_threads_metadata_is_replaced_as_a_whole_also_while_a_run_holds_it(scene):
    await scene.begin(thread_metadata={"team": "blue", "tier": "gold"})
    threads = scene.store.threads
    await threads.update(scene.thread_id, metadata={"team": "red"})
    assert (await threads.record(scene.thread_id)).metadata == {"team": "red"}

    await threads.update(scene.thread_id, tool_resources={"file_search": {}})
    record = await threads.record(scene.thread_id)
    assert (record.metadata, record.tool_resources) == ({"team": "red"}, {"file_search": {}})

    await threads.update(scene.thread_id, metadata={}, tool_resources={})
    record = await threads.record(scene.thread_id)
    assert (record.metadata, record.tool_resources) == ({}, {})


async def test_a_new_thread_can_have_tool_resources_and_keeps_them(scene):
    await add(scene, tool_resources={"file_search": {"vector_store_ids": ["vs_1"]}})
    await add(scene, tool_resources={"code_interpreter": {}})
    record = await scene.store.threads.record(scene.thread_id)
    assert record.tool_resources == {"file_search": {"vector_store_ids": ["vs_1"]}}


async def test_a_thread_that_is_not_there_is_not_made_by_a_change(scene, client):
    with pytest.raises(errors.ThreadNotFound):
        await scene.store.threads.update(scene.thread_id, metadata={"team": "red"})
    with pytest.raises(errors.ThreadNotFound):
        await scene.store.threads.set_message_metadata(scene.thread_id, "msg_0", {})
    assert client.outcomes == ["no_thread", "no_thread"]
    assert await scene.contents() == {}


async def test_lists_find_a_thread_by_its_new_metadata_in_its_old_place(scene):
    indexed = f"{scene.keys.bucket(scene.thread_id)}indexed"
    await scene.command("SET", indexed, "team")
    await add(scene, metadata={"team": "blue"})
    active = await scene.command(
        "ZSCORE", f"{scene.keys.bucket(scene.thread_id)}active", scene.thread_id
    )

    await scene.store.threads.update(scene.thread_id, metadata={"team": "red", "tier": "gold"})

    async def found(team: str) -> list[str]:
        page = await scene.store.lists.threads(ThreadFilter(metadata={"team": team}), 5, None)
        return [record.id for record in page]

    assert (await found("blue"), await found("red")) == ([], [scene.thread_id])
    [record] = await scene.store.lists.threads(ThreadFilter(), 5, None)
    assert (record.metadata["tier"], record.active_at) == ("gold", int(float(active)))
    await scene.command("DEL", indexed)


async def test_a_thread_that_an_earlier_release_has_made_is_left_to_the_indexer(scene):
    bucket = scene.keys.bucket(scene.thread_id)
    await scene.command("SET", f"{bucket}indexed", "team")
    await add(scene, metadata={"team": "blue"})
    await scene.command("ZREM", f"{bucket}active", scene.thread_id)
    [metadata] = [key for key in await scene.contents() if ":metadata:" in key]
    await scene.command("DEL", f"{scene.keys.namespace}:{metadata}")
    await scene.command("HDEL", scene.keys.thread(scene.thread_id), "listed")

    await scene.store.threads.update(scene.thread_id, metadata={"team": "red"})
    async for _ in scene.store.indexer.index([scene.keys.thread(scene.thread_id)]):
        pass

    page = await scene.store.lists.threads(ThreadFilter(metadata={"team": "red"}), 5, None)
    assert [record.id for record in page] == [scene.thread_id]
    await scene.command("DEL", f"{bucket}indexed")


# ---- of messages -------------------------------------------------------------------------------


async def test_a_messages_metadata_is_replaced_wherever_it_is_read(scene):
    held = await scene.begin()
    await held.finish(Status.COMPLETED, end_message(held.record, "Hi."))
    answer = ids.run_message_id(held.record.id, 0)
    asked = (await scene.record(held.record.id)).message_id
    threads = scene.store.threads

    await threads.set_message_metadata(scene.thread_id, answer, {"rating": "up"})
    await threads.set_message_metadata(scene.thread_id, asked, {"lang": "en"})
    await threads.set_message_metadata(scene.thread_id, asked, {"language": "en"})

    wanted = [{"language": "en"}, {"rating": "up"}]
    page = await threads.messages(scene.thread_id, 10, None, None)
    assert [message.metadata for message in page] == wanted
    of_run = await threads.messages_of_run(await scene.record(held.record.id))
    assert [message.metadata for message in of_run] == wanted
    assert (await threads.message(scene.thread_id, answer)).metadata == {"rating": "up"}
    changed = await threads.changed_metadata(scene.thread_id, [asked, answer, "msg_0"])
    assert changed == {asked: wanted[0], answer: wanted[1]}


async def test_metadata_can_be_changed_while_a_run_holds_the_thread_and_be_emptied(scene):
    id = await add(scene)
    await scene.begin()
    await scene.store.threads.set_message_metadata(scene.thread_id, id, {})
    assert (await scene.store.threads.message(scene.thread_id, id)).metadata == {}


async def test_a_message_that_is_not_in_the_thread_gets_no_metadata(scene, client):
    await scene.enqueue()
    waiting = await scene.record((await scene.enqueue()).run_id)
    before = await scene.contents()
    for id in (waiting.message_id, "msg_0"):
        with pytest.raises(errors.MessageNotFound):
            await scene.store.threads.set_message_metadata(scene.thread_id, id, {"a": "b"})
    assert client.outcomes[-2:] == ["no_message", "no_message"]
    assert await scene.contents() == before


async def test_what_was_given_later_goes_with_the_thread(scene):
    id = await add(scene)
    await scene.store.threads.set_message_metadata(scene.thread_id, id, {"order": "2"})
    await scene.store.threads.delete(scene.thread_id)
    assert [key.split(":")[1] for key in await scene.contents()] == ["deleted"]


async def test_a_runs_messages_are_read_in_as_many_round_trips_as_before(scene, client):
    held = await scene.begin()
    await write_partly(held, "Hi.")
    await held.finish(Status.COMPLETED, end_message(held.record, "Hi."))
    record = await scene.record(held.record.id)
    client.commands.clear()
    assert len(await scene.store.threads.messages_of_run(record)) == 2
    assert sorted(client.commands) == ["HMGET", "XRANGE"]
