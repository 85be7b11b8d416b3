"""The Lua scripts' texts: loaded with their includes, and bound to the names in their headers.

Each script's header names its keys and arguments. The loader turns the header into local variables
of the script, and checks every call against it, so that neither side counts indices.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

Value = str | bytes | int | float
Command = tuple[Any, ...]
"""A command as redis-py takes it: `EVALSHA`, digest, number of keys, keys, arguments."""


@dataclass(frozen=True)
class Script:
    """One transition."""

    name: str
    text: str
    sha: str
    keys: tuple[str, ...]
    args: tuple[str, ...]
    takes_rest: bool

    def call(
        self, keys: Mapping[str, str], args: Mapping[str, Value], rest: Sequence[Value] = ()
    ) -> ScriptCall:
        """One call of this script; names that do not fit its header are a KeyError."""
        if len(keys) != len(self.keys) or len(args) != len(self.args):
            raise KeyError(f"{self.name}.lua takes keys {self.keys} and arguments {self.args}")
        found, values = map(keys.__getitem__, self.keys), map(args.__getitem__, self.args)
        return ScriptCall(self, ("EVALSHA", self.sha, len(keys), *found, *values, *rest))

    def in_full(self, command: Command) -> Command:
        """The same command with the script's text, for a server that does not have it yet."""
        return ("EVAL", self.text, *command[2:])


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """A script with its keys and arguments."""

    script: Script
    command: Command

    def in_full(self) -> Command:
        """The command with the script's text, for a server that does not have it yet."""
        return self.script.in_full(self.command)


@cache
def script(name: str) -> Script:
    """The script of this name, with its includes."""
    folder = resources.files("threadmill_shared.store") / "lua"
    body = (folder / f"{name}.lua").read_text()
    keys, args, includes = (_header(body, word) for word in ("keys", "args", "include"))
    takes_rest = _header(body, "rest") != ("none",)
    pieces = [
        (folder / "include" / f"{include}.lua").read_text()
        for include in includes
        if include != "none"
    ]
    text = "\n".join([_prologue(keys, args, takes_rest=takes_rest), *pieces, body])
    sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Script(name, text, sha, keys, args, takes_rest)


def _header(body: str, word: str) -> tuple[str, ...]:
    found = re.search(rf"^-- {word}: (.*)$", body, re.MULTILINE)
    if found is None:
        raise ValueError(f"a script lacks its '-- {word}:' line")
    return tuple(found[1].split())


def _prologue(keys: Sequence[str], args: Sequence[str], *, takes_rest: bool) -> str:
    lines = [f"local {name} = KEYS[{at}]" for at, name in enumerate(keys, 1)]
    lines += [f"local {name} = ARGV[{at}]" for at, name in enumerate(args, 1)]
    if takes_rest:
        first = len(args)
        lines.append(
            f"local rest = {{}} for i = {first + 1}, #ARGV do rest[i-{first}] = ARGV[i] end"
        )
    return " ".join(lines)
