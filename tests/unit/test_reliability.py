"""What docs/reliability.md promises, and which log lines it quotes, is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
CODE = "".join(
    file.read_text()
    for folder in ("shared", "workers", "producers")
    for file in sorted((ROOT / folder).rglob("*.py"))
)
_VARIABLE = re.compile(
    r"(?:run|call)_\.\.\.|web1:4711|\(\.\.\.\)|\((?:lease|connection|\w+Error|ModelUnavailable)\)"
    r"|\b30 heartbeats; |\b\d+ \(|, \.\.\.|\b40 failed|\b12 s\b"
    r"|(?<= dead): |, so |\b5 s\b|; (?=its runs)|(?<=were reassigned): 2"
)


def named_tests() -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


def quoted_lines() -> list[str]:
    """The log lines of the last table, in their words that are always the same."""
    table = PAGE.partition("\n| when |")[2]
    quoted = [line for row in table.splitlines() for line in _cells(row)]
    pieces = [piece for line in quoted for piece in _VARIABLE.split(line)]
    return [piece.strip(" .;") for piece in pieces if len(piece.strip(" .;").split()) > 2]


def _cells(row: str) -> list[str]:
    said = row.split("|")[2] if row.count("|") > 3 else ""
    return re.findall(r"`([^`]+)`", said)


def test_the_page_names_tests_and_log_lines() -> None:
    assert len(named_tests()) > 30
    assert len(quoted_lines()) > 10


@pytest.mark.parametrize(("path", "name"), sorted(set(named_tests())))
def test_a_promise_has_its_test(path: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


@pytest.mark.parametrize("words", quoted_lines())
def test_a_quoted_log_line_is_logged(words: str) -> None:
    without_breaks = re.sub(r'"\s*\n\s*f?"', "", CODE)
    parts = words.replace(" ... ", "\n").split("\n")
    assert all(part.strip() in without_breaks for part in parts)
