"""Threads that are known by other names than their ids, and those that were deleted lately."""

from __future__ import annotations

import pytest

from threadmill_shared import errors, ids
from threadmill_shared.records.messages import user_message

OLD = "thread_abc123"
"""As another store has named it."""


async def test_a_thread_is_found_by_its_id_and_by_its_key(scene):
    threads = scene.store.threads
    keyed = ids.keyed_thread_id(scene.keys.namespace, OLD)
    await threads.add(scene.thread_id, [], create=True)
    await threads.import_items(keyed, [], created_at=1, key=OLD)

    assert await threads.resolve(scene.thread_id) == scene.thread_id
    assert await threads.resolve(OLD) == keyed
    assert await threads.resolve(keyed) == keyed


async def test_a_key_that_looks_like_an_id_is_found_unless_a_thread_has_that_id(scene):
    threads = scene.store.threads
    keyed = ids.keyed_thread_id(scene.keys.namespace, scene.thread_id)
    await threads.add(keyed, [], create=True, key=scene.thread_id)
    assert await threads.resolve(scene.thread_id) == keyed

    await threads.add(scene.thread_id, [], create=True)
    assert await threads.resolve(scene.thread_id) == scene.thread_id


@pytest.mark.parametrize("name", ["", "nothing", "thread_0", "\ud800", f"thread_{'0' * 32}"])
async def test_a_name_without_a_thread_is_an_error(scene, name):
    with pytest.raises(errors.ThreadNotFound):
        await scene.store.threads.resolve(name)
    assert not await scene.store.threads.was_deleted(name)
    assert await scene.contents() == {}


async def test_what_was_deleted_is_known_for_a_minute_by_either_name(scene):
    threads = scene.store.threads
    keyed = ids.keyed_thread_id(scene.keys.namespace, OLD)
    id = ids.new_message_id()
    await threads.add(keyed, [(id, user_message(id, "hello"))], create=True, key=OLD)
    assert not await threads.was_deleted(OLD, id)
    assert not await threads.was_deleted(OLD)

    await threads.delete_message(keyed, id)
    assert await threads.was_deleted(OLD, id)
    assert await threads.was_deleted(keyed, id)
    assert not await threads.was_deleted(keyed, "msg_0")
    assert not await threads.was_deleted(keyed)

    await threads.delete(keyed)
    assert await threads.was_deleted(keyed)
    assert await threads.was_deleted(OLD)
    assert 0 < await scene.ttl(scene.keys.deleted(keyed)) <= 60
    await scene.command("DEL", scene.keys.format())
