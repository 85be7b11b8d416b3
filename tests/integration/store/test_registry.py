"""Definitions under their ids, where several processes change them at once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.store.scene import Scene

from threadmill_shared import errors
from threadmill_shared.definition import Definition
from threadmill_shared.registry import Registry


async def test_a_definition_that_is_deleted_while_it_is_saved_stays_deleted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, read = Registry(scene.store), scene.store.read
    definition = Definition(id="asst_1", name="a", instructions="", model="m", version=1)
    await registry.create(definition)

    async def read_and_delete(*command: Any) -> Any:
        found = await read(*command)
        await read("DEL", scene.store.keys.created(definition.id))
        return found

    monkeypatch.setattr(scene.store, "read", read_and_delete)
    changed = definition.model_copy(update={"instructions": "Be brief."})
    with pytest.raises(errors.AssistantNotFound):
        await registry.save(changed)
    monkeypatch.undo()
    with pytest.raises(errors.AssistantNotFound):
        await registry.load(definition.id)
