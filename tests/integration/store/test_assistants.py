"""Definitions under their ids, where several processes change them at once."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import pytest
from pydantic_core import from_json, to_json
from tests.support.store.scene import Scene

from threadmill_shared import errors, ids
from threadmill_shared.records.definition import Definition
from threadmill_shared.tools import ToolSpec


async def test_a_definition_that_is_deleted_while_it_is_saved_stays_deleted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistants, read = scene.store.assistants, scene.store.session.runner.command
    definition = Definition(id="asst_1", name="a", instructions="", model="m", version=1)
    await assistants.create(definition)

    async def read_and_delete(*command: Any) -> Any:
        found = await read(*command)
        await read("DEL", scene.keys.created(definition.id))
        return found

    monkeypatch.setattr(scene.store.session.runner, "command", read_and_delete)
    changed = definition.model_copy(update={"instructions": "Be brief."})
    with pytest.raises(errors.AssistantNotFound):
        await assistants.save(changed)
    monkeypatch.undo()
    with pytest.raises(errors.AssistantNotFound):
        await assistants.load(definition.id)


ADA = Definition(
    id="asst_1",
    name="Ada",
    model="m",
    version=1,
    tools=(ToolSpec(name="roll", parameters={}, identity="dice:roll", digest="d1"),),
)


AROUND_NOW: Any = pytest.approx(time.time(), abs=86_400)


def name_indexes(scene: Scene) -> tuple[str, str]:
    return scene.keys.names(), scene.keys.first_published()


async def stored(scene: Scene, key: str) -> dict[str, Any]:
    found: dict[str, Any] = from_json(await scene.command("GET", key))
    return found


async def store_as_later(scene: Scene, key: str) -> dict[str, Any]:
    """As a later release may have stored it: with fields that this one does not know."""
    fields = ADA.model_dump(mode="json") | {"guard": "strict"}
    fields["tools"][0] |= {"signed_by": "a manager"}
    await scene.command("SET", key, to_json(fields).decode())
    return fields


async def test_what_a_later_release_has_published_is_not_published_anew(scene: Scene) -> None:
    key = scene.keys.published("Ada")
    fields = await store_as_later(scene, key)
    for definition in (ADA, ADA.model_copy(update={"version": None})):
        await scene.store.assistants.publish([definition])
        assert await stored(scene, key) == fields
    await scene.command("DEL", key, *name_indexes(scene))


async def test_what_an_older_release_has_published_is_not_published_anew(scene: Scene) -> None:
    key = scene.keys.published("Ada")
    fields = ADA.model_dump(mode="json")
    del fields["hosted"]  # as if it had come later
    await scene.command("SET", key, to_json(fields).decode())
    await scene.store.assistants.publish([ADA])
    assert await stored(scene, key) == fields
    await scene.command("DEL", key, *name_indexes(scene))


async def test_whoever_saves_leaves_what_only_a_later_release_knows(scene: Scene) -> None:
    assistants, key = scene.store.assistants, scene.keys.created(ADA.id)
    fields = await store_as_later(scene, key)
    loaded = await assistants.load(ADA.id)
    assert await assistants.save(loaded.model_copy(update={"instructions": "Be brief."})) == 2
    changed = fields | {"instructions": "Be brief.", "version": 2}
    assert await stored(scene, key) == changed
    await assistants.delete(ADA.id)


@pytest.mark.parametrize("damaged", ["{", "[]", '{"id": 7}'])
async def test_a_damaged_definition_is_named_and_published_anew(scene: Scene, damaged: str) -> None:
    assistants, key = scene.store.assistants, scene.keys.published("Ada")
    await scene.command("SET", key, damaged)
    with pytest.raises(errors.StoreIncompatible, match="The definition of 'Ada'"):
        await assistants.load("Ada")
    await assistants.publish([ADA])
    assert await assistants.load("Ada") == ADA.model_copy(update={"created_at": AROUND_NOW})
    await scene.command("DEL", key, *name_indexes(scene))


# ---- time, id, and changes ---------------------------------------------------------------------


async def test_the_time_of_the_first_definition_stays(scene: Scene) -> None:
    assistants = scene.store.assistants
    created = await assistants.create(ADA)
    assert created.created_at == AROUND_NOW
    await assistants.save(ADA.model_copy(update={"instructions": "Be brief."}))
    assert (await assistants.load(ADA.id)).created_at == created.created_at
    assert created.digest() == ADA.digest()
    await assistants.delete(ADA.id)

    imported = ADA.model_copy(update={"created_at": 1_700_000_000})
    assert await assistants.create_once(imported)
    assert await assistants.load(ADA.id) == imported
    place = await scene.command("ZSCORE", scene.keys.registered(), ADA.id)
    assert float(place) == 1_700_000_000
    await assistants.delete(ADA.id)


async def test_a_published_one_keeps_its_time_whoever_publishes_it(scene: Scene) -> None:
    assistants = scene.store.assistants
    await assistants.publish([ADA])
    assert (await assistants.load("Ada")).created_at == AROUND_NOW
    await scene.command("ZADD", scene.keys.first_published(), 1_700_000_000, "Ada")
    await assistants.publish([ADA.model_copy(update={"instructions": "Be brief."})])
    found = await assistants.load("Ada")
    assert (found.instructions, found.created_at, found.version) == (
        *("Be brief.", 1_700_000_000),
        2,
    )
    [listed] = await scene.store.lists.assistants(5, None)
    assert listed == found

    # One that has not been published for a month is forgotten, and its time with it.
    await scene.command("ZADD", scene.keys.names(), 1, "Ada")
    await assistants.publish([ADA.model_copy(update={"name": "Bea"})])
    assert await scene.command("ZRANGE", scene.keys.first_published(), 0, -1) == ["Bea"]
    await scene.command("DEL", scene.keys.published("Ada"), scene.keys.published("Bea"))
    await scene.command("DEL", *name_indexes(scene))


async def test_releases_before_times_can_read_what_is_created_and_published(scene: Scene) -> None:
    """The first release refuses a field that it does not know."""
    assistants = scene.store.assistants
    await assistants.create(ADA)
    await assistants.publish([ADA])
    for key in (scene.keys.created(ADA.id), scene.keys.published("Ada")):
        assert await stored(scene, key) == ADA.model_dump(mode="json")
    await assistants.delete(ADA.id)
    await scene.command("DEL", scene.keys.published("Ada"), *name_indexes(scene))


async def test_a_published_one_is_found_by_the_id_that_follows_from_its_name(scene: Scene) -> None:
    assistants = scene.store.assistants
    named = [
        ADA.model_copy(update={"id": ids.named_assistant_id(name), "name": name})
        for name in ("Ada", "Bea")
    ]
    await assistants.publish(named)
    for one in named:
        assert (await assistants.load(one.id)).name == one.name
    for unknown in (ids.new_assistant_id(), "asst_1", "Cleo"):
        with pytest.raises(errors.AssistantNotFound, match=r"Published assistants: (Bea|Ada)"):
            await assistants.load(unknown)
    await scene.command("DEL", *(scene.keys.published(one.name) for one in named))
    await scene.command("DEL", *name_indexes(scene))


async def test_of_changes_at_once_none_is_lost(scene: Scene) -> None:
    assistants = scene.store.assistants
    await assistants.create(ADA)

    def add(name: str, found: Definition) -> Definition:
        return found.model_copy(update={"metadata": {**found.metadata, name: "x"}})

    names = [str(number) for number in range(20)]
    await asyncio.gather(*(assistants.change(ADA.id, partial(add, name)) for name in names))
    found = await assistants.load(ADA.id)
    assert (sorted(found.metadata), found.version) == (sorted(names), 21)
    unchanged = await assistants.change(ADA.id, lambda found: found)
    assert unchanged == found
    assert await assistants.delete(ADA.id)
    with pytest.raises(errors.AssistantNotFound):
        await assistants.change(ADA.id, lambda found: found)


async def test_a_change_leaves_what_only_a_later_release_knows(scene: Scene) -> None:
    key = scene.keys.created(ADA.id)
    fields = await store_as_later(scene, key)
    brief = {"instructions": "Be brief."}
    await scene.store.assistants.change(ADA.id, lambda found: found.model_copy(update=brief))
    assert await stored(scene, key) == fields | brief | {"version": 2}
    await scene.store.assistants.delete(ADA.id)


async def test_one_is_deleted_once(scene: Scene) -> None:
    assistants = scene.store.assistants
    await assistants.create(ADA)
    assert await assistants.delete(ADA.id)
    assert not await assistants.delete(ADA.id)
    await assistants.create(ADA)
    assert await assistants.delete(ADA.id)
    assert [key for key in await scene.contents() if "created:" in key] == []
