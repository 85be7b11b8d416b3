"""Frameworks can read the types of what we export, although most of them are imported later."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import pytest

import threadmill

OURS = ("threadmill", "threadmill_shared")


def functions(kind: type) -> Iterator[tuple[str, Any]]:
    """The public functions of ours that the class has; of properties their getters."""
    for name in dir(kind):
        found = inspect.getattr_static(kind, name)
        match found:
            case classmethod() | staticmethod():
                found = found.__func__
            case property():
                found = found.fget
            case cached_property():
                found = found.func
        is_public = not name.startswith("_") and inspect.isfunction(found)
        if is_public and found.__module__.partition(".")[0] in OURS:
            yield f"{kind.__name__}.{name}", found


def exported() -> dict[str, Any]:
    """All public classes and functions, and what the classes have."""
    found = {}
    for name in threadmill.__all__:
        one = getattr(threadmill, name)
        if inspect.isclass(one):
            found.update(functions(one))
        if inspect.isfunction(one):
            found[name] = one
    return found


EXPORTED = exported()


@pytest.mark.parametrize("name", sorted(EXPORTED))
def test_the_types_of_a_public_function_can_be_read(name: str) -> None:
    function = EXPORTED[name]
    hints = typing.get_type_hints(function)
    signature = inspect.signature(function, eval_str=True)
    annotated = {p.name for p in signature.parameters.values() if p.annotation is not p.empty}
    assert annotated <= hints.keys()


def test_there_are_public_functions() -> None:
    assert len(EXPORTED) > 90
    assert {"Assistant.say", "Thread.add_async", "Run.messages", "pprint_run"} <= EXPORTED.keys()


def test_the_types_are_the_exported_classes() -> None:
    hints = typing.get_type_hints(threadmill.Assistant.enqueue)
    assert hints["return"] is threadmill.Run
    assert hints["thread"] == threadmill.Thread | None
    assert typing.get_type_hints(threadmill.Thread.runs)["return"] == list[threadmill.Run]


@pytest.mark.parametrize("name", ["Assistant", "Thread", "Run", "Message", "Step", "Job"])
def test_the_types_of_a_class_can_be_read_in_a_fresh_process(name: str) -> None:
    code = f"import typing, threadmill\nprint(*typing.get_type_hints(threadmill.{name}))"
    command = [sys.executable, "-W", "error", "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(ended.stdout.split()) == typing.get_type_hints(getattr(threadmill, name)).keys()
