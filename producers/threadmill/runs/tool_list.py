"""The entries of an assistant's `tools`: functions, `@tool`s, specs, schemas, hosted tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from threadmill_shared import errors
from threadmill_shared.hosted_tools import as_hosted
from threadmill_shared.tools import Tool, ToolSpec, as_tool, external_spec


def functions(tools: Sequence[Any]) -> list[Tool]:
    """Those among them that this process could execute."""
    own = (one for one in tools if not isinstance(one, (ToolSpec, dict)) and as_hosted(one) is None)
    return [as_tool(one) for one in own]


def specs(tools: Sequence[Any]) -> tuple[ToolSpec, ...]:
    """The specs for a model and a worker, without those that the provider executes.

    Raises:
        BadTool: one cannot be a tool, or two have one name.
    """
    found = tuple(_spec(one) for one in tools if as_hosted(one) is None)
    names = [spec.name for spec in found]
    for name in names:
        if names.count(name) > 1:
            raise errors.BadTool(
                f"Two tools are called {name!r}. Rename one of them: @tool(name=...)."
            )
    return found


def _spec(one: Any) -> ToolSpec:
    if isinstance(one, ToolSpec):
        return one
    return external_spec(one) if isinstance(one, dict) else as_tool(one).spec
