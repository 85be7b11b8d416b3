"""Assistants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from threadmill_shared.hosted_tools import HostedTool, tool_resources
from threadmill_shared.records.definition import Definition
from threadmill_shared.tools import ToolSpec


def assistant(definition: Definition, created_at: int) -> dict[str, Any]:
    """An assistant; `created_at` is in seconds since the epoch."""
    return {
        "id": definition.id,
        "object": "assistant",
        "created_at": created_at,
        "name": definition.name or None,
        "description": definition.description,
        "model": definition.model,
        "instructions": definition.instructions or None,
        "tools": tools(definition.tools, definition.hosted),
        "tool_resources": tool_resources(definition.hosted),
        "metadata": definition.metadata,
        "temperature": 1.0 if definition.temperature is None else definition.temperature,
        "top_p": 1.0 if definition.top_p is None else definition.top_p,
        "response_format": definition.response_format or "auto",
        "reasoning_effort": definition.reasoning_effort,
    }


def tools(specs: Sequence[ToolSpec], hosted: Sequence[HostedTool]) -> list[dict[str, Any]]:
    """Functions, then hosted tools with their options."""
    return [*map(_function, specs), *map(_hosted, hosted)]


def _function(spec: ToolSpec) -> dict[str, Any]:
    form = spec.api_form()
    return form | {"function": form["function"] | {"strict": False}}


def _hosted(tool: HostedTool) -> dict[str, Any]:
    if tool.type != "file_search":
        return {"type": tool.type}
    names = ("max_num_results", "ranking_options")
    options = {name: value for name in names if (value := getattr(tool, name)) is not None}
    return {"type": tool.type, "file_search": options} if options else {"type": tool.type}
