"""What stands in an assistant's `tools`: functions, `@tool`s, specs, schemas, hosted tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from threadmill.hosted_tools import CodeInterpreter, FileSearch
from threadmill_shared import errors
from threadmill_shared.tools import Tool, ToolSpec, as_tool, external_spec


def functions(tools: Sequence[Any]) -> list[Tool]:
    """Those among them that this process could execute."""
    return [as_tool(one) for one in tools if not isinstance(one, (ToolSpec, dict))]


def specs(tools: Sequence[Any]) -> tuple[ToolSpec, ...]:
    """What a model and a worker are told of them.

    Raises:
        BadTool: one cannot be a tool, or two have one name.
        Unsupported: one is a hosted tool.
    """
    found = tuple(_spec(one) for one in tools)
    names = [spec.name for spec in found]
    for name in names:
        if names.count(name) > 1:
            raise errors.BadTool(
                f"Two tools are called {name!r}. Give one another name: @tool(name=...)."
            )
    return found


def _spec(one: Any) -> ToolSpec:
    if isinstance(one, ToolSpec):
        return one
    return external_spec(one) if isinstance(one, dict) else _spec_of(one)


def _spec_of(one: Any) -> ToolSpec:
    hosted = one if isinstance(one, type) else type(one)
    if issubclass(hosted, (CodeInterpreter, FileSearch)):
        raise errors.Unsupported(f"{hosted.__name__} is not supported yet.")
    return as_tool(one).spec
