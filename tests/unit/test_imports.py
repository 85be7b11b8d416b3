"""No module imports, over however many others, itself: neither at the top nor inside a function."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from threadmill import moving, transfer

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "shared", ROOT / "workers", ROOT / "producers"]


def modules() -> dict[str, Path]:
    """All modules by name, except each `__init__` that only re-exports names."""
    found = {}
    for source in SOURCES:
        for file in source.rglob("*.py"):
            parts = file.relative_to(source).with_suffix("").parts
            if parts[-1] != "__init__" or not only_reexports(file):
                found[".".join(parts).removesuffix(".__init__")] = file
    return found


def only_reexports(file: Path) -> bool:
    """Whether it defines nothing itself; `__getattr__` and `__dir__` find the names of others."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    defined = [node for node in ast.parse(file.read_text()).body if isinstance(node, kinds)]
    return all(node.name in {"__getattr__", "__dir__"} for node in defined)


def imported(file: Path, known: dict[str, Path]) -> set[str]:
    """What it imports of ours, wherever in it, for type checkers too."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            # `from package import module` needs the module, not what the package itself defines.
            names |= inner if inner <= known.keys() else {node.module, *inner}
    return names & known.keys()


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_itself_over_others() -> None:
    known = modules()
    assert len(known) > 200
    assert cycle_in({name: imported(file, known) - {name} for name, file in known.items()}) == []


def test_a_cycle_is_found() -> None:
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []


def test_the_former_name_of_transfer_has_the_same_functions() -> None:
    assert moving.__all__ == transfer.__all__
    for name in transfer.__all__:
        assert getattr(moving, name) is getattr(transfer, name)


def test_each_package_has_at_most_18_modules_and_folders_at_its_top() -> None:
    for package in (
        "shared/threadmill_shared",
        "workers/threadmill_workers",
        "producers/threadmill",
    ):
        left_out = {"__init__.py", "__main__.py", "py.typed", "__pycache__"}
        top = {path.name for path in (ROOT / package).iterdir()} - left_out
        assert len(top) <= 18, (package, sorted(top))
