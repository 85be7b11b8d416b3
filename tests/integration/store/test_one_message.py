"""Reading one message: a stored one, or the one that a run writes just now."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.store.scene import begin_message, end_message, write_partly

from threadmill_shared import errors, ids
from threadmill_shared.records.messages import user_message
from threadmill_shared.records.run import Status


async def test_a_stored_message_is_found_by_its_id(scene):
    id = ids.new_message_id()
    await scene.store.threads.add(scene.thread_id, [(id, user_message(id, "hello"))], create=True)

    found = await scene.store.threads.message(scene.thread_id, id)

    assert [found] == await scene.store.threads.messages(scene.thread_id, 10, None, None)
    assert found.text == "hello"


async def test_a_message_that_is_being_written_has_the_text_so_far(scene):
    held = await scene.begin()
    id = ids.run_message_id(held.record.id, 0)
    with pytest.raises(errors.MessageNotFound):
        await scene.store.threads.message(scene.thread_id, id)

    await write_partly(held, "Good mor")
    found = await scene.store.threads.message(scene.thread_id, id)

    assert (found.status, found.text, found.role) == ("in_progress", "Good mor", "assistant")
    assert (found.id, found.run_id, found.assistant_id) == (id, held.record.id, "asst_1")
    assert found.created_at > 1_000_000_000
    await held.finish(Status.COMPLETED, end_message(held.record, "Good morning."))
    found = await scene.store.threads.message(scene.thread_id, id)
    assert (found.status, found.text) == ("completed", "Good morning.")


async def test_a_message_that_is_begun_has_no_text_yet(scene):
    held = await scene.begin()
    await held.write(begin_message())

    found = await scene.store.threads.message(
        scene.thread_id, ids.run_message_id(held.record.id, 0)
    )
    assert (found.status, found.text) == ("in_progress", "")


async def test_a_message_that_is_stored_while_it_is_looked_for_is_found(scene, monkeypatch):
    held = await scene.begin()
    await write_partly(held, "Good mor")
    read = scene.store.session.runner.hash_fields

    async def end_and_read(key):
        await held.finish(Status.COMPLETED, end_message(held.record, "Good morning."))
        return await read(key)

    monkeypatch.setattr(scene.store.session.runner, "hash_fields", end_and_read)
    found = await scene.store.threads.message(
        scene.thread_id, ids.run_message_id(held.record.id, 0)
    )
    assert (found.status, found.text) == ("completed", "Good morning.")


@pytest.mark.parametrize("id", ["msg_0", "", "*", f"msg_{'0' * 32}_0", "thread_1"])
async def test_an_id_without_a_message_is_an_error(scene, id):
    await scene.enqueue()
    with pytest.raises(errors.MessageNotFound, match="The thread has no message"):
        await scene.store.threads.message(scene.thread_id, id)


async def test_a_message_of_another_thread_is_not_found(scene):
    other = replace(scene, thread_id=ids.new_thread_id())
    held = await other.begin()
    await write_partly(held, "Good mor")
    await scene.enqueue()

    with pytest.raises(errors.MessageNotFound):
        await scene.store.threads.message(scene.thread_id, ids.run_message_id(held.record.id, 0))


async def test_the_message_of_a_run_that_waits_in_line_is_not_in_the_thread_yet(scene):
    await scene.enqueue()
    waiting = await scene.record((await scene.enqueue()).run_id)
    with pytest.raises(errors.MessageNotFound):
        await scene.store.threads.message(scene.thread_id, waiting.message_id)
