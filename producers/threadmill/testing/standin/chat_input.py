"""Requests to Chat Completions, read for a brain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

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
