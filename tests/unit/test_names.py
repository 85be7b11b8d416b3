"""One name stands for one thing: what the packages' modules define, by their syntax trees."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("shared/threadmill_shared", "producers/threadmill", "workers/threadmill_workers")
OWN_NAMES = {"testing", "cli"}
"""Folders whose names are users' own words: what tests import, what a command line is typed as."""
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def modules() -> list[Path]:
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [path for path in found if not OWN_NAMES & set(path.parts)]


def public_names(module: Path) -> set[str]:
    nodes = ast.parse(module.read_text(encoding="utf-8")).body
    named = {node.name for node in nodes if isinstance(node, DEFINITIONS)}
    return {name for name in named if not name.startswith("_")}


def test_no_public_class_or_function_is_defined_in_two_modules() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for module in modules():
        for name in public_names(module):
            homes[name].append(str(module.relative_to(ROOT)))
    assert len(homes) > 500, "the packages are found"
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}
