"""What docs/cli.md says of standstills, against the code that finds them."""

from __future__ import annotations

import re
from pathlib import Path

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
