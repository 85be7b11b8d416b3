"""Every log line of the packages is on docs/logs.md, and every line of the page is in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "shared/threadmill_shared",
    "workers/threadmill_workers",
    "producers/threadmill",
    "producers/threadmill_gateway",
)
TESTING = ROOT / "producers/threadmill/testing"
"""The stand-in logs for tests only."""
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
_VALUE = re.compile(r"%(?:-?[\d.]*[a-z])")

Line = tuple[str, str, str]
"""Words, level, logger."""


def logged() -> Iterator[Line]:
    """What the code logs."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            if not file.is_relative_to(TESTING):
                module = ".".join(file.relative_to(ROOT).with_suffix("").parts[1:])
                yield from lines_of(ast.parse(file.read_text(encoding="utf-8")), module)


def lines_of(tree: ast.Module, module: str) -> Iterator[Line]:
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    names = {ast.unparse(node.targets[0]): node.value for node in assigned}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr not in LEVELS:
            continue
        name = logger_name(node.func.value, names, module)
        if name is not None:
            is_varied = node.func.attr == "log"
            words = node.args[1 if is_varied else 0]
            words = names.get(ast.unparse(words), words)
            assert isinstance(words, ast.Constant), (module, node.lineno, ast.unparse(words))
            assert node.func.attr != "exception", (module, node.lineno, "shows an error's text")
            yield shown(words.value), "varies" if is_varied else node.func.attr.upper(), name


def logger_name(called: ast.expr, names: dict[str, ast.expr], module: str) -> str | None:
    """The name of the logger; None if this is none."""
    made = names.get(ast.unparse(called), called)
    if not isinstance(made, ast.Call) or ast.unparse(made.func) != "logging.getLogger":
        return None
    given = made.args[0]
    return str(given.value) if isinstance(given, ast.Constant) else module


def shown(words: str) -> str:
    """The words as the page has them."""
    return re.sub("…+", "…", _VALUE.sub("…", words))


def documented() -> list[Line]:
    """What the page lists."""
    page = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if re.match(r"\| ``? ?[^|]*``? \| \w+ \|", line)]
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    for row in cells:
        assert len(row) == 5, row
        assert all(row), row
    return [(row[0].strip("`").strip(), row[1], row[2].strip("`")) for row in cells]


def test_each_line_that_is_logged_is_on_the_page() -> None:
    found = set(logged())
    assert len(found) > 80
    missing = sorted(found - set(documented()))
    assert missing == []


def test_each_line_of_the_page_is_logged() -> None:
    assert sorted(set(documented()) - set(logged())) == []


def test_no_line_is_on_the_page_twice() -> None:
    listed = documented()
    assert sorted(listed) == sorted(set(listed))
