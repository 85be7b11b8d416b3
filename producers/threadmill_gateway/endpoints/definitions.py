"""From what a client says about an assistant to its definition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from threadmill_gateway.bodies.assistants import AssistantChanges
from threadmill_gateway.bodies.tools import Tool, ToolResources
from threadmill_shared.hosted_tools import (
    HostedTool,
    checked_resources,
    hosted_tools,
    tool_resources,
)
from threadmill_shared.instructions.plain_text import PlainText, stored_instructions
from threadmill_shared.records.definition import Definition
from threadmill_shared.tools import ToolSpec, external_spec

_PLAIN = ("model", "description", "temperature", "top_p", "reasoning_effort")
"""What is stored as it is given, null included."""


def fields_of(body: AssistantChanges) -> dict[str, Any]:
    """The fields of a definition that the body has.

    Raises:
        BadTool: a tool is not valid.
    """
    given = body.model_fields_set
    fields: dict[str, Any] = {name: getattr(body, name) for name in _PLAIN if name in given}
    if body.name:
        fields["name"] = body.name
    if "instructions" in given:
        fields |= stored_instructions(PlainText(body.instructions or ""))
    if "metadata" in given:
        fields["metadata"] = body.metadata or {}
    if "response_format" in given:
        form = body.model_dump(include={"response_format"}, exclude_none=True, by_alias=True)
        fields["response_format"] = form.get("response_format")
    if "tools" in given or "tool_resources" in given:
        fields["tools"] = functions(body.tools or ())
        fields["hosted"] = hosted(body.tools or (), resources_of(body.tool_resources))
    return fields


def with_changes(body: AssistantChanges, definition: Definition) -> Definition:
    """The definition with what the body changes of it.

    Raises:
        BadTool: a tool is not valid.
    """
    given = body.model_fields_set
    fields = fields_of(body)
    if "name" in given and not body.name:
        fields["name"] = definition.id
    if body.model is None:
        fields.pop("model", None)
    if "tools" in given and "tool_resources" not in given:
        fields["hosted"] = hosted(body.tools or (), _still_used(definition, body.tools or ()))
    if "tools" not in given and "tool_resources" in given:
        fields["tools"] = definition.tools
        resources = resources_of(body.tool_resources)
        fields["hosted"] = with_resources(definition.hosted, resources)
    return Definition.model_validate(definition.model_dump() | fields)


def functions(tools: Sequence[Tool]) -> tuple[ToolSpec, ...]:
    """The functions among these tools, which the client executes.

    Raises:
        BadTool: one is not valid.
    """
    forms = [tool.model_dump(exclude_none=True) for tool in tools if tool.type == "function"]
    return tuple(external_spec(form) for form in forms)


def hosted(tools: Sequence[Tool], resources: dict[str, Any]) -> tuple[HostedTool, ...]:
    """The tools that the provider executes, with what they may use.

    Raises:
        BadTool: one is not valid.
    """
    return hosted_tools([tool.model_dump(exclude_none=True) for tool in tools], resources)


def with_resources(
    tools: Sequence[HostedTool], resources: dict[str, Any]
) -> tuple[HostedTool, ...]:
    """The tools with what they may use, in place of what they name already.

    Raises:
        BadTool: the resources are not valid.
    """
    return hosted_tools([_without_ids(tool) for tool in tools], resources)


def _still_used(definition: Definition, tools: Sequence[Tool]) -> dict[str, Any]:
    """What the definition's tools may use, of those that it has further on."""
    kinds = {tool.type for tool in tools}
    known = tool_resources(definition.hosted)
    return {kind: known[kind] for kind in known if kind in kinds}


def _without_ids(tool: HostedTool) -> HostedTool:
    match tool.type:
        case "code_interpreter":
            return tool.model_copy(update={"file_ids": ()})
        case "file_search":
            return tool.model_copy(update={"vector_store_ids": ()})
        case _:
            return tool


def resources_of(given: ToolResources | None) -> dict[str, Any]:
    """What hosted tools may use, as it is stored.

    Raises:
        BadTool: it asks for vector stores to be made, which is the provider's business.
    """
    found = {} if given is None else given.model_dump(exclude_none=True)
    checked_resources(found)
    return found
