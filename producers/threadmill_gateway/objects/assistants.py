"""Assistants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from threadmill_shared.hosted_tools import HostedTool, hosted_api_form, tool_resources
from threadmill_shared.records.definition import Definition
from threadmill_shared.tools import ToolSpec


def assistant(definition: Definition) -> dict[str, Any]:
    """An assistant; nobody knows when one of an earlier release was created."""
    return {
        "id": definition.id,
        "object": "assistant",
        "created_at": definition.created_at or 0,
        "name": definition.given_name(),
        "description": definition.description,
        "model": definition.model,
        "instructions": definition.given_instructions() or None,
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
    return [*map(_function, specs), *map(hosted_api_form, hosted)]


def _function(spec: ToolSpec) -> dict[str, Any]:
    form = spec.api_form()
    return form | {"function": {"strict": False} | form["function"]}
