"""Requests to the Responses API, read for a brain."""

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
    entries = list(_entries(_items(body)))
    return Request(
        api="responses",
        model=str(body.get("model")),
        instructions=instructions_of(body.get("instructions"), entries=entries),
        entries=entries,
        tools=[
            str(tool.get("name" if tool.get("type") == "function" else "type"))
            for tool in dicts(body.get("tools"))
        ],
        tool_choice=body.get("tool_choice"),
        max_tokens=natural(body.get("max_output_tokens")),
        stream=bool(body.get("stream")),
        headers=headers,
        body=body,
        raw=raw,
    )


def _items(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    said = body.get("input")
    return [{"role": "user", "content": said}] if isinstance(said, str) else dicts(said)


def _entries(items: list[dict[str, Any]]) -> Iterator[Entry]:
    for item in items:
        match item.get("type", "message"):
            case "message":
                yield Message(str(item.get("role")), text_of(item.get("content")))
            case "function_call":
                yield ToolCall(str(item.get("call_id") or ""), str(item.get("name")))
            case "function_call_output":
                yield ToolResult(str(item.get("call_id") or ""), text_of(item.get("output")))
