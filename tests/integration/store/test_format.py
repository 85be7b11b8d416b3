"""The store's format: a worker that is too old for a store refuses it."""

from __future__ import annotations

import pytest

from threadmill_shared import errors
from threadmill_shared.store.format import FORMAT, check_format


async def test_a_new_store_is_marked_and_then_accepted(scene):
    await check_format(scene.store)
    await check_format(scene.store)
    assert await scene.store.read("GET", scene.store.keys.format()) == str(FORMAT)
    await scene.store.read("DEL", scene.store.keys.format())


async def test_a_store_of_a_later_format_is_refused(scene):
    await scene.store.read("SET", scene.store.keys.format(), FORMAT + 1)
    with pytest.raises(errors.StoreIncompatible, match="Upgrade this worker"):
        await check_format(scene.store)
    await scene.store.read("DEL", scene.store.keys.format())


async def test_a_later_format_that_is_raised_meanwhile_stays(scene, monkeypatch):
    key = scene.store.keys.format()
    read = scene.store.read

    async def read_and_be_late(*command):
        found = await read(*command)
        if command == ("GET", key) and found is None:
            await read("SET", key, FORMAT + 1)
        return found

    monkeypatch.setattr(scene.store, "read", read_and_be_late)
    with pytest.raises(errors.StoreIncompatible):
        await check_format(scene.store)
    assert await read("GET", key) == str(FORMAT + 1)
    await read("DEL", key)


async def test_a_store_of_an_earlier_format_is_marked_with_this_one(scene):
    await scene.store.read("SET", scene.store.keys.format(), FORMAT - 1)
    await check_format(scene.store)
    assert await scene.store.read("GET", scene.store.keys.format()) == str(FORMAT)
    await scene.store.read("DEL", scene.store.keys.format())
