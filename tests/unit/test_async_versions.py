"""Every operation has two ways to be called: blocking, and with `_async` at its name, awaited."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from tests.support.async_versions import CLASSES, assert_same_signature, methods, pairs

from threadmill import Assistant, Thread, transfer


def test_each_class_has_operations() -> None:
    assert {owner for owner, _ in pairs()} == set(CLASSES)
    named = {f"{owner.__name__}.{name}" for owner, name in pairs()}
    promised = {"Assistant.enqueue_many"}
    promised |= {"Assistant.say", "Assistant.enqueue", "Assistant.load", "Assistant.create"}
    promised |= {"Assistant.delete", "Assistant.save", "Thread.create", "Thread.add"}
    promised |= {"Thread.get_messages", "Thread.run", "Thread.delete", "Thread.runs"}
    promised |= {"Thread.get_message", "Thread.save", "Thread.save_message"}
    promised |= {"Thread.delete_message"}
    promised |= {"Run.submit_tool_outputs", "Run.approve", "Run.reject"}
    promised |= {"Run.list", "Thread.list", "Assistant.list"}
    promised |= {"Run.wait", "Run.events", "Run.cancel", "Run.refresh", "Run.load", "Run.save"}
    assert promised <= named


@pytest.mark.parametrize(("owner", "name"), pairs(), ids=str)
def test_an_operation_has_a_twin_of_the_same_signature(owner: type, name: str) -> None:
    assert_same_signature(getattr(owner, name), getattr(owner, f"{name}_async", None))


@pytest.mark.parametrize("name", ["import_file", "export_file"])
def test_so_has_a_function(name: str) -> None:
    assert_same_signature(getattr(transfer, name), getattr(transfer, f"{name}_async", None))


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
