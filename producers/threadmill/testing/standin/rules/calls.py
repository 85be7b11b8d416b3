"""Rules for calls of functions and their outputs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from threadmill.testing.standin.conversation import ToolCall, ToolResult, dicts
from threadmill.testing.standin.rules.rule import (
    CHAT_ONLY,
    OPENAI_PACKAGE,
    Inspection,
    Violation,
    missing,
    rule,
    too_long,
    unlike,
)

NAME_PATTERN = "^[a-zA-Z0-9_-]+$"
NAME_LENGTH = 64
_ID_LENGTH = 64
_CHAT_ID_LENGTH = 40


@rule("calls of Chat that are not of a function", source=OPENAI_PACKAGE, apis=CHAT_ONLY)
def call_form(request: Inspection) -> Iterator[Violation]:
    """Find calls without a function."""
    for place, message in request.messages:
        for index, call in enumerate(dicts(message.get("tool_calls"))):
            if not isinstance(call.get("function"), dict):
                yield missing(f"{place}.tool_calls[{index}].function")
            elif call.get("type") != "function":
                yield missing(f"{place}.tool_calls[{index}].type")


@rule(
    "calls of names other than letters, digits, _ and -, or over 64 characters",
    source="https://github.com/mcp-use/mcp-use/issues/90",
)
def call_names(request: Inspection) -> Iterator[Violation]:
    """Find names that a model made up."""
    for place, call in request.calls:
        where = f"{place}.function.name" if request.is_chat else f"{place}.name"
        if len(call["name"]) > NAME_LENGTH:
            yield too_long(where, len(call["name"]), NAME_LENGTH)
        elif not re.fullmatch(NAME_PATTERN, call["name"]):
            yield unlike(where, NAME_PATTERN)


@rule(
    "arguments of calls that are no JSON object",
    source="https://github.com/vllm-project/vllm/issues/43995; "
    "https://github.com/sgl-project/sglang/pull/28035",
    provider="vLLM, SGLang, llama.cpp",
)
def call_arguments(request: Inspection) -> Iterator[Violation]:
    """Find arguments that a chat template cannot use."""
    for place, call in request.calls:
        try:
            arguments = json.loads(call["arguments"], parse_constant=_reject)
        except ValueError as error:
            yield Violation(f"Failed to parse the arguments of a tool call: {error}", place)
        else:
            if not isinstance(arguments, dict):
                yield Violation("The arguments of a tool call must be a JSON object.", place)


@rule(
    "ids of calls over 64 characters in the Responses API, over 40 in Chat",
    source="https://github.com/AnswerDotAI/fastllm/issues/45; "
    "https://github.com/vercel/ai/issues/8132",
)
def call_id_length(request: Inspection) -> Iterator[Violation]:
    """Find ids that are too long."""
    limit = _CHAT_ID_LENGTH if request.is_chat else _ID_LENGTH
    for place, call in request.calls:
        if len(call["id"]) > limit:
            yield too_long(f"{place}.{_id_field(request)}", len(call["id"]), limit)


@rule("empty ids of calls", source=OPENAI_PACKAGE)
def call_id_empty(request: Inspection) -> Iterator[Violation]:
    """Find calls without an id."""
    for place, call in request.calls:
        if not call["id"]:
            where = f"{place}.{_id_field(request)}"
            yield Violation(
                f"Invalid '{where}': empty string. Expected a string with minimum length 1, but "
                "got an empty string instead.",
                where,
                "empty_string",
            )


@rule(
    "two calls with one id",
    source="no public report; `tool_use` ids must be unique in Anthropic's API",
    provider="Anthropic and what forwards to it",
)
def call_id_repeated(request: Inspection) -> Iterator[Violation]:
    """Find ids that tell no call apart."""
    seen: set[str] = set()
    for place, call in request.calls:
        if call["id"] in seen:
            yield Violation(f"Tool call ids must be unique: '{call['id']}'.", place)
        seen.add(call["id"])


@rule(
    "outputs without a call before them",
    source="https://github.com/continuedev/continue/issues/10092",
)
def output_without_call(request: Inspection) -> Iterator[Violation]:
    """Find outputs of calls that are not there, or have one already."""
    open_ids: set[str] = set()
    for entry in request.request.entries:
        if isinstance(entry, ToolCall):
            open_ids.add(entry.id)
        elif isinstance(entry, ToolResult):
            if entry.id not in open_ids:
                yield _stray(entry.id, request)
            open_ids.discard(entry.id)


@rule(
    "calls without an output",
    source="https://github.com/bytedance/trae-agent/issues/245",
)
def call_without_output(request: Inspection) -> Iterator[Violation]:
    """Find calls that nothing came of."""
    open_ids: dict[str, None] = {}
    for entry in request.request.entries:
        if isinstance(entry, ToolCall):
            open_ids[entry.id] = None
        elif isinstance(entry, ToolResult):
            open_ids.pop(entry.id, None)
    if open_ids:
        yield _unanswered(list(open_ids), request)


@rule(
    "outputs that do not follow their calls at once",
    source="https://github.com/aliasrobotics/cai/issues/111",
    apis=CHAT_ONLY,
)
def outputs_follow_calls(request: Inspection) -> Iterator[Violation]:
    """Find a message between calls and their outputs."""
    open_ids: dict[str, None] = {}
    for entry in request.request.entries:
        if isinstance(entry, ToolCall):
            open_ids[entry.id] = None
        elif isinstance(entry, ToolResult):
            open_ids.pop(entry.id, None)
        elif open_ids:
            yield _unanswered(list(open_ids), request)


def _id_field(request: Inspection) -> str:
    return "id" if request.is_chat else "call_id"


def _stray(id: str, request: Inspection) -> Violation:
    if request.is_chat:
        return Violation(
            "Invalid parameter: messages with role 'tool' must be a response to a preceeding "
            f"message with 'tool_calls'. (tool_call_id: {id})",
            "messages",
        )
    return Violation(f"No tool call found for function call output with call_id {id}.", "input")


def _unanswered(ids: list[str], request: Inspection) -> Violation:
    if request.is_chat:
        return Violation(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            f"{', '.join(ids)}",
            "messages",
        )
    return Violation(f"No tool output found for function call {ids[0]}.", "input")


def _reject(name: str) -> None:
    raise ValueError(name)
