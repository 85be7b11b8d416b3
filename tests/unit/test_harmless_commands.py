"""The doctor tries a call of each command that the store's scripts use."""

from __future__ import annotations

import re
from pathlib import Path

from threadmill_shared.store import scripts
from threadmill_shared.store.server_reader import harmless_commands

LUA = Path(scripts.__file__).parents[1] / "lua"
HARMFUL = {"HSETNX", "SADD"}
"""Each valid call writes, and an invalid one is refused before the user's rights are looked at."""


def test_all_commands_of_the_scripts_are_tried_that_can_be_without_an_effect() -> None:
    tried = {command[0] for command in harmless_commands("key", "channel")}
    used = {
        name
        for file in LUA.rglob("*.lua")
        # What a script tries with pcall may be forbidden.
        for name in re.findall(r"\bcall\('(\w+)'", file.read_text())
    }
    assert len(used) > 25
    assert used - tried == HARMFUL
