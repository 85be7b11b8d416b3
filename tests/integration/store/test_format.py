"""The store's format: a worker that is too old for a store refuses it."""

from __future__ import annotations

import pytest

from threadmill_shared import errors
from threadmill_shared.store.server import FORMAT, GAPS_FORMAT, NEWEST_FORMAT


async def test_a_new_store_is_marked_and_then_accepted(scene):
    await scene.store.server.check_format()
    await scene.store.server.check_format()
    assert await scene.command("GET", scene.keys.format()) == str(FORMAT)
    await scene.command("DEL", scene.keys.format())


async def test_a_store_of_a_later_format_is_refused(scene):
    await scene.command("SET", scene.keys.format(), NEWEST_FORMAT + 1)
    with pytest.raises(errors.StoreIncompatible, match="Upgrade this worker"):
        await scene.store.server.check_format()
    await scene.command("DEL", scene.keys.format())


async def test_a_later_format_that_is_raised_meanwhile_stays(scene, monkeypatch):
    key = scene.keys.format()
    read = scene.store.session.runner.command

    async def read_and_be_late(*command):
        found = await read(*command)
        if command == ("GET", key) and found is None:
            await read("SET", key, NEWEST_FORMAT + 1)
        return found

    monkeypatch.setattr(scene.store.session.runner, "command", read_and_be_late)
    with pytest.raises(errors.StoreIncompatible):
        await scene.store.server.check_format()
    assert await read("GET", key) == str(NEWEST_FORMAT + 1)
    await read("DEL", key)


async def test_a_store_of_an_earlier_format_is_marked_with_this_one(scene):
    await scene.command("SET", scene.keys.format(), FORMAT - 1)
    await scene.store.server.check_format()
    assert await scene.command("GET", scene.keys.format()) == str(FORMAT)
    await scene.command("DEL", scene.keys.format())


async def test_a_format_is_raised_by_its_first_use_and_then_accepted(scene, client):
    await scene.store.server.check_format()
    await scene.store.server.use_format(GAPS_FORMAT)
    assert await scene.command("GET", scene.keys.format()) == str(GAPS_FORMAT)

    client.commands.clear()
    await scene.store.server.use_format(GAPS_FORMAT)
    assert client.commands == []
    await scene.store.server.check_format()
    assert await scene.command("GET", scene.keys.format()) == str(GAPS_FORMAT)
    await scene.command("DEL", scene.keys.format())


async def test_a_later_format_is_not_lowered_by_the_use_of_an_earlier_one(scene):
    await scene.command("SET", scene.keys.format(), NEWEST_FORMAT + 1)
    await scene.store.server.use_format(GAPS_FORMAT)
    assert await scene.command("GET", scene.keys.format()) == str(NEWEST_FORMAT + 1)
    await scene.command("DEL", scene.keys.format())


async def test_a_format_whose_first_use_is_not_answered_is_raised_once(scene, client):
    client.lose_next_answer()
    await scene.store.server.use_format(GAPS_FORMAT)
    assert await scene.command("GET", scene.keys.format()) == str(GAPS_FORMAT)
    await scene.command("DEL", scene.keys.format())
