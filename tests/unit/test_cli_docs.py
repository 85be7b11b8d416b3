"""What docs/cli.md says of options and of standstills, against the code."""

from __future__ import annotations

import re
from pathlib import Path

import click

from threadmill.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
INSPECTION = ROOT / "producers" / "threadmill" / "inspection"


def test_every_kind_of_a_standstill_is_listed() -> None:
    sources = "".join(path.read_text() for path in INSPECTION.glob("*_runs.py"))
    named = re.findall(r"kind=(.*)", sources)
    kinds = {word for words in named for word in re.findall(r'"(\w+)"', words)}
    _, _, section = (ROOT / "docs" / "cli.md").read_text().partition("## Why a run does not move")
    listed = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert len(kinds) > 15
    assert sorted(listed) == sorted(kinds)


def test_every_option_is_listed() -> None:
    _, _, section = (ROOT / "docs" / "cli.md").read_text().partition("## Options")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", section.partition("\n## ")[0], re.MULTILINE)
    listed = {name: re.findall(r"`(--[\w-]+)`", options) for name, options in rows}
    options = {command.name: long_options(command) for command in COMMANDS}
    assert listed == {name: found for name, found in options.items() if found}


def long_options(command: click.Command) -> list[str]:
    given = [one for one in command.params if isinstance(one, click.Option)]
    return [max(one.opts, key=len) for one in given]
