"""Every operation has two ways to be called: blocking, and with `_async` at its name, awaited."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from threadmill import Assistant, Run, Thread, transfer

CLASSES: list[type] = [Assistant, Thread, Run]
FREE_OF_IO = {
    *("definition", "functions", "get_tools", "get_instructions", "clear_default_thread"),
    *("pre_run_hook", "post_run_hook"),  # hooks are the user's
    *("result_as", "raise_for_status"),
}
"""Methods that only look at what the handle has, or change that."""


def methods(owner: type) -> dict[str, Callable[..., Any]]:
    """The public methods of a class and of its bases, where these are ours."""
    ours = [base for base in owner.__mro__ if base.__module__.startswith("threadmill.")]
    names = {name for base in ours for name in vars(base) if not name.startswith("_")}
    found = {name: inspect.getattr_static(owner, name, None) for name in names}
    return {
        name: getattr(owner, name)
        for name, value in found.items()
        if inspect.isroutine(value) and not name.startswith("model_")  # pydantic's
    }


def twins() -> list[tuple[type, str]]:
    return [
        (owner, name)
        for owner in CLASSES
        for name in sorted(methods(owner))
        if not name.endswith("_async") and name not in FREE_OF_IO
    ]


def test_each_class_has_operations() -> None:
    assert {owner for owner, _ in twins()} == set(CLASSES)
    named = {f"{owner.__name__}.{name}" for owner, name in twins()}
    promised = {"Assistant.say", "Assistant.enqueue", "Assistant.load", "Assistant.create"}
    promised |= {"Assistant.delete", "Assistant.save", "Thread.create", "Thread.add"}
    promised |= {"Thread.get_messages", "Thread.run", "Thread.delete", "Thread.runs"}
    promised |= {"Run.submit_tool_outputs", "Run.approve", "Run.reject"}
    promised |= {"Run.wait", "Run.events", "Run.cancel", "Run.refresh", "Run.load"}
    assert promised <= named


@pytest.mark.parametrize(("owner", "name"), twins(), ids=str)
def test_an_operation_has_a_twin_of_the_same_signature(owner: type, name: str) -> None:
    assert_twins(getattr(owner, name), getattr(owner, f"{name}_async", None))


@pytest.mark.parametrize("name", ["import_file", "export_file"])
def test_so_has_a_function(name: str) -> None:
    assert_twins(getattr(transfer, name), getattr(transfer, f"{name}_async", None))


def assert_twins(blocking: Any, awaited: Any) -> None:
    assert awaited is not None, "there is no _async"
    is_awaited = inspect.iscoroutinefunction(awaited) or inspect.isasyncgenfunction(awaited)
    assert is_awaited
    assert not inspect.iscoroutinefunction(blocking)
    first, second = inspect.signature(blocking), inspect.signature(awaited)
    assert first.parameters == second.parameters
    returned = str(second.return_annotation).replace("AsyncIterator", "Iterator")
    assert str(first.return_annotation) == returned
    assert awaited.__doc__ == f"Async version of `{blocking.__name__}`."


def test_no_twin_stands_alone() -> None:
    for owner in CLASSES:
        known = methods(owner)
        alone = {name for name in known if name.endswith("_async")} - {
            f"{name}_async" for name in known
        }
        assert alone == set()


@pytest.mark.parametrize("owner", [Assistant, Thread])
def test_both_kinds_of_with_take_the_same(owner: Any) -> None:
    for name in ("enter", "exit"):
        blocking, awaited = getattr(owner, f"__{name}__"), getattr(owner, f"__a{name}__")
        assert inspect.signature(blocking) == inspect.signature(awaited)
        assert inspect.iscoroutinefunction(awaited)
