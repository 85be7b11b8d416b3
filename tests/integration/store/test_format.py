"""The store's format: a worker that is too old for a store refuses it."""

from __future__ import annotations

import pytest

from threadmill_shared import errors
from threadmill_shared.store.server import FORMAT


async def test_a_new_store_is_marked_and_then_accepted(scene):
    await scene.store.server.check_format()
    await scene.store.server.check_format()
    assert await scene.command("GET", scene.keys.format()) == str(FORMAT)
    await scene.command("DEL", scene.keys.format())


async def test_a_store_of_a_later_format_is_refused(scene):
    await scene.command("SET", scene.keys.format(), FORMAT + 1)
    with pytest.raises(errors.StoreIncompatible, match="Upgrade this worker"):
        await scene.store.server.check_format()
    await scene.command("DEL", scene.keys.format())


async def test_a_later_format_that_is_raised_meanwhile_stays(scene, monkeypatch):
    key = scene.keys.format()
    read = scene.store.session.runner.command

    async def read_and_be_late(*command):
        found = await read(*command)
        if command == ("GET", key) and found is None:
            await read("SET", key, FORMAT + 1)
        return found

    monkeypatch.setattr(scene.store.session.runner, "command", read_and_be_late)
    with pytest.raises(errors.StoreIncompatible):
        await scene.store.server.check_format()
    assert await read("GET", key) == str(FORMAT + 1)
    await read("DEL", key)


async def test_a_store_of_an_earlier_format_is_marked_with_this_one(scene):
    await scene.command("SET", scene.keys.format(), FORMAT - 1)
    await scene.store.server.check_format()
    assert await scene.command("GET", scene.keys.format()) == str(FORMAT)
    await scene.command("DEL", scene.keys.format())
