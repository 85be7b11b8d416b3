"""The assistants that operators see, those among them that this release cannot read."""

from __future__ import annotations

from threadmill.inspection.assistants import read_assistants
from threadmill_shared.records.definition import Definition


async def test_one_that_a_newer_release_has_published_does_not_hide_the_others(scene):
    names = ("a", "b")
    await scene.store.assistants.publish(
        [Definition(id=f"asst_{name}", name=name, model="gpt-x") for name in names]
    )
    await scene.command("SET", scene.keys.published("a"), '{"later": true}', "KEEPTTL")
    found = await read_assistants(scene.store)
    assert [(one.name, one.is_readable, one.model) for one in found] == [
        ("a", False, ""),
        ("b", True, "gpt-x"),
    ]
    assert found[0].differing == ()
