"""One name stands for one thing: what the packages' modules define, by their syntax trees."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("shared/threadmill_shared", "producers/threadmill", "workers/threadmill_workers")
TESTING = ROOT / "producers/threadmill/testing"
"""Its names are those that users' tests import."""
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [path for path in found if not path.is_relative_to(TESTING)]


def public_names(module: Path) -> set[str]:
    nodes = ast.parse(module.read_text(encoding="utf-8")).body
    named = [node for node in nodes if isinstance(node, DEFINITIONS) and not is_command(node)]
    return {node.name for node in named if not node.name.startswith("_")}


def is_command(node: Definition) -> bool:
    """Whether click makes a command of it: its name is what users type."""
    called = [one.func for one in node.decorator_list if isinstance(one, ast.Call)]
    return any(ast.unparse(one) in {"click.command", "click.group"} for one in called)


def test_no_public_class_or_function_is_defined_in_two_modules() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for module in modules():
        for name in public_names(module):
            homes[name].append(str(module.relative_to(ROOT)))
    assert len(homes) > 500, "the packages are found"
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}
