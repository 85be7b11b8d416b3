"""The operations of the handles, each with its async version."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any

from threadmill import Assistant, File, Run, Thread

CLASSES: list[type] = [Assistant, Thread, Run, File]
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
        if inspect.isroutine(value)
        and not isinstance(value, cached_property)
        and not name.startswith("model_")  # pydantic's
    }


def pairs() -> list[tuple[type, str]]:
    return [
        (owner, name)
        for owner in CLASSES
        for name in sorted(methods(owner))
        if not name.endswith("_async") and name not in FREE_OF_IO
    ]


def assert_same_signature(blocking: Any, awaited: Any) -> None:
    assert awaited is not None, "there is no _async"
    is_awaited = inspect.iscoroutinefunction(awaited) or inspect.isasyncgenfunction(awaited)
    assert is_awaited
    assert not inspect.iscoroutinefunction(blocking)
    first, second = inspect.signature(blocking), inspect.signature(awaited)
    assert first.parameters == second.parameters
    returned = str(second.return_annotation).replace("AsyncIterator", "Iterator")
    assert str(first.return_annotation) == returned
    assert awaited.__doc__ == f"Async version of `{blocking.__name__}`."
