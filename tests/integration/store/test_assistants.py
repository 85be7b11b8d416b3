"""Definitions under their ids, where several processes change them at once."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import from_json, to_json
from tests.support.store.scene import Scene

from threadmill_shared import errors
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
    await scene.command("DEL", key, scene.keys.names())


async def test_what_an_older_release_has_published_is_not_published_anew(scene: Scene) -> None:
    key = scene.keys.published("Ada")
    fields = ADA.model_dump(mode="json")
    del fields["hosted"]  # as if it had come later
    await scene.command("SET", key, to_json(fields).decode())
    await scene.store.assistants.publish([ADA])
    assert await stored(scene, key) == fields
    await scene.command("DEL", key, scene.keys.names())


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
    assert await assistants.load("Ada") == ADA
    await scene.command("DEL", key, scene.keys.names())
