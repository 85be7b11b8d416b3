"""Requests to Chat Completions: read for a brain, and refused as a provider would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from threadmill.testing.standin import parameters
from threadmill.testing.standin.checks import (
    BadRequest,
    check_calls,
    check_function,
    check_objects,
    check_parameters,
)
from threadmill.testing.standin.conversation import (
    Entry,
    Message,
    Request,
    ToolCall,
    ToolResult,
    dicts,
    instructions_of,
    natural,
    text_of,
)

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_PARTS = {
    "user": frozenset({"text", "image_url", "input_audio", "file"}),
    "assistant": frozenset({"text", "refusal"}),
}
_TEXT_ONLY = frozenset({"text"})


def read(body: dict[str, Any], raw: bytes, headers: Mapping[str, str]) -> Request:
    """The request, whatever is wrong with it."""
    entries = [entry for message in dicts(body.get("messages")) for entry in _entries(message)]
    tools = [tool.get("function") for tool in dicts(body.get("tools"))]
    return Request(
        api="chat",
        model=str(body.get("model")),
        instructions=instructions_of(entries=entries),
        entries=entries,
        tools=[str(function.get("name")) for function in dicts(tools)],
        tool_choice=body.get("tool_choice"),
        max_tokens=natural(body.get("max_completion_tokens") or body.get("max_tokens")),
        stream=bool(body.get("stream")),
        headers=headers,
        body=body,
        raw=raw,
    )


def check(request: Request) -> None:
    """Refuse what the API would refuse.

    Raises:
        BadRequest: it would.
    """
    body = dict(request.body)
    check_parameters(body, parameters.CHAT, ("model", "messages"))
    check_objects(body["messages"], "messages")
    if body.get("stream_options") and not request.stream:
        raise BadRequest("'stream_options' needs 'stream'.", param="stream_options")
    for index, tool in enumerate(dicts(body.get("tools"))):
        if tool.get("type") != "function":
            raise BadRequest("The stand-in knows tools of the type 'function' only.", param="tools")
        check_function(tool.get("function"), f"tools[{index}].function")
    for index, message in enumerate(dicts(body["messages"])):
        _check_message(message, f"messages[{index}]")
    check_calls(request.entries, param="messages", at_once=True)


def _entries(message: dict[str, Any]) -> Iterator[Entry]:
    role, text = str(message.get("role")), text_of(message.get("content"))
    if role == "tool":
        yield ToolResult(str(message.get("tool_call_id") or ""), text)
        return
    if message.get("content") is not None:
        yield Message(role, text)
    for call in dicts(message.get("tool_calls")):
        [name] = [function.get("name") for function in dicts([call.get("function")])] or [None]
        yield ToolCall(str(call.get("id") or ""), str(name))


def _check_message(message: dict[str, Any], param: str) -> None:
    role, content = message.get("role"), message.get("content")
    if role not in _ROLES:
        raise BadRequest(f"There is no role {role!r}.", param=f"{param}.role")
    if not isinstance(content, str | list) and not message.get("tool_calls"):
        raise BadRequest(f"{param} has no 'content'.", param=f"{param}.content")
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, dict) else part
        if kind not in _PARTS.get(role, _TEXT_ONLY):
            raise BadRequest(
                f"Content of the type {kind!r} cannot stand in a message of the role {role!r}.",
                param=f"{param}.content",
                code="invalid_value",
            )
    for call in dicts(message.get("tool_calls")):
        if call.get("type") != "function" or not dicts([call.get("function")]):
            raise BadRequest(f"{param} has a tool call without a function.", param=param)
