"""Requests to the Responses API: read for a brain, and refused as a provider would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from threadmill.testing.standin import parameters, reasoning
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

_STATEFUL = ("background", "conversation", "previous_response_id", "prompt")
_USER_PARTS = frozenset({"input_text", "input_image", "input_file"})
_PARTS = {
    "user": _USER_PARTS,
    "system": _USER_PARTS,
    "developer": _USER_PARTS,
    "assistant": frozenset({"output_text", "refusal"}),
}


_TOOLS = frozenset({"function", "code_interpreter", "file_search"})
_INCLUDABLE = frozenset(
    {
        "reasoning.encrypted_content",
        "code_interpreter_call.outputs",
        "file_search_call.results",
        "message.input_image.image_url",
        "message.output_text.logprobs",
    }
)
_STATUSES = frozenset(
    {"in_progress", "interpreting", "searching", "completed", "incomplete", "failed"}
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


def check(request: Request) -> None:
    """Refuse what the API would refuse.

    Raises:
        BadRequest: it would.
    """
    body = dict(request.body)
    check_parameters(body, parameters.RESPONSES, ("model", "input"))
    check_objects(_items(body) or body["input"], "input")
    for name in _STATEFUL:
        if body.get(name):
            raise BadRequest(f"The stand-in keeps nothing, so it cannot do {name!r}.", param=name)
    for index, tool in enumerate(dicts(body.get("tools"))):
        if tool.get("type") not in _TOOLS:
            known = ", ".join(sorted(_TOOLS))
            raise BadRequest(f"The stand-in knows tools of these types: {known}.", param="tools")
        if tool["type"] == "function":
            check_function(tool, f"tools[{index}]")
    for name in set(body.get("include") or ()) - _INCLUDABLE:
        raise BadRequest(f"{name!r} cannot be included.", param="include", code="invalid_value")
    for index, item in enumerate(_items(body)):
        _check_item(item, f"input[{index}]", request.model)
    check_calls(request.entries, param="input", at_once=False)


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


def _check_item(item: dict[str, Any], param: str, model: str) -> None:
    match item.get("type", "message"):
        case "message":
            _check_message(item, param)
        case "function_call":
            _check_strings(item, param, "name", "arguments")
        case "function_call_output":
            if not isinstance(item.get("output"), str | list):
                raise BadRequest(f"{param} has no 'output'.", param=f"{param}.output")
        case "reasoning":
            reasoning.check(item, param, model)
        case "code_interpreter_call":
            _check_strings(item, param, "id", "code", "container_id", "status")
            _check_status(item, param)
            _check_outputs(item, param)
        case "file_search_call":
            _check_strings(item, param, "id", "status")
            _check_status(item, param)
            if not isinstance(item.get("queries"), list):
                raise BadRequest(f"{param} has no 'queries'.", param=f"{param}.queries")
        case unknown:
            raise BadRequest(f"There are no items of the type {unknown!r}.", param=f"{param}.type")


def _check_message(item: dict[str, Any], param: str) -> None:
    role, content = item.get("role"), item.get("content")
    allowed = _PARTS.get(str(role))
    if allowed is None:
        raise BadRequest(f"There is no role {role!r}.", param=f"{param}.role")
    if not isinstance(content, str | list):
        raise BadRequest(f"{param} has no 'content'.", param=f"{param}.content")
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, dict) else part
        if kind not in allowed:
            raise BadRequest(
                f"Content of the type {kind!r} cannot stand in a message of the role {role!r}: "
                f"it takes {', '.join(sorted(allowed))}.",
                param=f"{param}.content",
                code="invalid_value",
            )


def _check_status(item: dict[str, Any], param: str) -> None:
    if item["status"] not in _STATUSES:
        raise BadRequest(f"There is no status {item['status']!r}.", param=f"{param}.status")


def _check_outputs(item: dict[str, Any], param: str) -> None:
    if "outputs" not in item or not isinstance(item["outputs"], list | None):
        raise BadRequest(f"{param} has no 'outputs'.", param=f"{param}.outputs")
    for output in dicts(item["outputs"]):
        if output.get("type") not in ("logs", "image"):
            raise BadRequest(f"{param}.outputs are logs and images.", param=f"{param}.outputs")


def _check_strings(item: dict[str, Any], param: str, *names: str) -> None:
    for name in names:
        if not isinstance(item.get(name), str):
            raise BadRequest(f"{param} has no {name!r}.", param=f"{param}.{name}")
