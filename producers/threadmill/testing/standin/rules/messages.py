"""Rules for the items and messages of a conversation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from threadmill.testing.standin.conversation import dicts, text_of
from threadmill.testing.standin.parameters import CHAT_FIELDS, ITEM_FIELDS
from threadmill.testing.standin.rules.rule import (
    CHAT_ONLY,
    OPENAI_PACKAGE,
    OPENAI_REFERENCE,
    RESPONSES_ONLY,
    Inspection,
    Json,
    Violation,
    missing,
    not_one_of,
    rule,
    too_long,
)

_ITEM_TYPES = frozenset(name for name in ITEM_FIELDS if not name.startswith("part "))
_NEEDED = {
    "function_call": ("call_id", "name", "arguments"),
    "function_call_output": ("call_id", "output"),
    "code_interpreter_call": ("id", "code", "container_id", "outputs", "status"),
    "file_search_call": ("id", "queries", "status"),
    "web_search_call": ("id", "action", "status"),
}
_MAY_BE_NULL = frozenset({"outputs"})
_STATUSES = frozenset({"in_progress", "completed", "incomplete"})
_HOSTED_STATUSES = _STATUSES | {"interpreting", "searching", "failed"}
_ACTIONS = frozenset({"search", "open_page", "find_in_page"})
_INPUT_PARTS = frozenset({"input_text", "input_image", "input_file"})
_PARTS = {
    "user": _INPUT_PARTS,
    "system": _INPUT_PARTS,
    "developer": _INPUT_PARTS,
    "assistant": frozenset({"output_text", "refusal"}),
}
_CHAT_PARTS = {
    "user": frozenset({"text", "image_url", "input_audio", "file"}),
    "assistant": frozenset({"text", "refusal"}),
}
_TEXT_ONLY = frozenset({"text"})
_PREFIXES = {
    "function_call": "fc",
    "function_call_output": "fc",
    "reasoning": "rs",
    "code_interpreter_call": "ci",
    "file_search_call": "fs",
    "web_search_call": "ws",
}
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_ID_LENGTH = 64
_TEXT_LENGTH = 10_485_760


@rule("items of unknown types", source=OPENAI_PACKAGE, apis=RESPONSES_ONLY)
def item_types(request: Inspection) -> Iterator[Violation]:
    """Find items that the API does not know."""
    for place, item in request.items:
        if str(item.get("type", "message")) not in _ITEM_TYPES:
            yield not_one_of(f"{place}.type", item.get("type"), _ITEM_TYPES)


@rule("items without what their type requires", source=OPENAI_PACKAGE, apis=RESPONSES_ONLY)
def item_fields(request: Inspection) -> Iterator[Violation]:
    """Find items that are not whole."""
    for place, item in request.items:
        for name in _NEEDED.get(str(item.get("type")), ()):
            if name not in item or (item[name] is None and name not in _MAY_BE_NULL):
                yield missing(f"{place}.{name}")
        yield from _status(place, item)
        if item.get("type") == "code_interpreter_call":
            for index, output in enumerate(dicts(item.get("outputs"))):
                if output.get("type") not in ("logs", "image"):
                    where = f"{place}.outputs[{index}].type"
                    yield not_one_of(where, output.get("type"), ("logs", "image"))
        if item.get("type") == "web_search_call":
            action = item.get("action")
            kind = action.get("type") if isinstance(action, dict) else None
            if str(kind) not in _ACTIONS:
                yield not_one_of(f"{place}.action.type", kind, _ACTIONS)


@rule(
    "ids of items with another type's prefix, other characters, or over 64 characters",
    source="https://github.com/farion1231/cc-switch/issues/5338; "
    "https://github.com/langchain-ai/langchainjs/issues/11044",
    apis=RESPONSES_ONLY,
)
def item_ids(request: Inspection) -> Iterator[Violation]:
    """Find ids that the provider cannot have given."""
    for place, item in request.items:
        id = item.get("id")
        if not isinstance(id, str):
            continue
        prefix = _prefix(item)
        if not _ID.fullmatch(id):
            yield Violation(
                f"Invalid '{place}.id': '{id}'. Expected an ID that contains letters, numbers, "
                "underscores, or dashes, but this value contained additional characters.",
                f"{place}.id",
                "invalid_value",
            )
        elif prefix and not id.startswith(prefix):
            yield Violation(
                f"Invalid '{place}.id': '{id}'. Expected an ID that begins with '{prefix}'.",
                f"{place}.id",
                "invalid_value",
            )
        elif len(id) > _ID_LENGTH:
            yield too_long(f"{place}.id", len(id), _ID_LENGTH)


@rule(
    "two items with one id",
    source="https://github.com/OpenRouterTeam/ai-sdk-provider/issues/254",
    apis=RESPONSES_ONLY,
)
def repeated_items(request: Inspection) -> Iterator[Violation]:
    """Find an item that is sent twice."""
    seen: set[str] = set()
    for _, item in request.items:
        id = item.get("id")
        if not isinstance(id, str):
            continue
        if id in seen:
            yield Violation(
                f"Duplicate item found with id {id}. Remove duplicate items from your input and "
                "try again.",
                "input",
            )
        seen.add(id)


@rule("messages of unknown roles", source=OPENAI_PACKAGE)
def roles(request: Inspection) -> Iterator[Violation]:
    """Find roles that the API does not know."""
    known = [name for name in CHAT_FIELDS if " " not in name] if request.is_chat else list(_PARTS)
    for place, message in request.messages:
        if message.get("role") not in known:
            yield not_one_of(f"{place}.role", message.get("role"), known)


@rule("messages without content", source=OPENAI_REFERENCE)
def content(request: Inspection) -> Iterator[Violation]:
    """Find messages that say nothing."""
    for place, message in request.messages:
        if isinstance(message.get("content"), str | list) or message.get("tool_calls"):
            continue
        yield Violation(
            "Invalid value for 'content': expected a string, got null.",
            f"{place}.content",
            "invalid_type",
        )


@rule("parts of content that a message of the role cannot have", source=OPENAI_PACKAGE)
def content_types(request: Inspection) -> Iterator[Violation]:
    """Find parts in the wrong messages."""
    for place, part, role in request.parts:
        if request.is_chat:
            known = _CHAT_PARTS.get(role, _TEXT_ONLY)
        else:
            known = _PARTS.get(role, _INPUT_PARTS)
        if str(part.get("type")) not in known:
            yield not_one_of(f"{place}.type", part.get("type"), known)


@rule(
    "empty and blank texts: of messages, of their parts, of outputs",
    source="https://github.com/anthropics/claude-code/issues/23440; "
    "https://github.com/aliasrobotics/cai/issues/182 (over LiteLLM)",
    provider="Anthropic, Amazon Bedrock and what forwards to them",
)
def blank_texts(request: Inspection) -> Iterator[Violation]:
    """Find texts without a character that is seen."""
    for place, text in _texts(request):
        if not text.strip():
            yield Violation(
                "messages: text content blocks must contain non-whitespace text",
                place,
            )


@rule(
    "texts over 10,485,760 characters",
    source="https://github.com/VectorlyApp/bluebox/issues/31",
)
def text_lengths(request: Inspection) -> Iterator[Violation]:
    """Find texts that are too long for a field."""
    if len(request.request.raw) <= _TEXT_LENGTH:
        return
    for place, text in _texts(request):
        if len(text) > _TEXT_LENGTH:
            yield too_long(place, len(text), _TEXT_LENGTH)


@rule(
    "two messages of the user, or of the assistant, in a row",
    source="https://github.com/vllm-project/vllm/issues/6862",
    apis=CHAT_ONLY,
    provider="servers whose model's chat template says so",
)
def alternating_roles(request: Inspection) -> Iterator[Violation]:
    """Find neighbours of one role; outputs of tools belong to the assistant's turn."""
    spoken = [m for _, m in request.messages if m.get("role") in ("user", "assistant")]
    for former, later in pairwise(spoken):
        if former["role"] == later["role"] and not former.get("tool_calls"):
            yield Violation(
                "After the optional system message, conversation roles must alternate "
                "user/assistant/user/assistant/...",
                request.place,
            )


@rule(
    "calls of tools without the reasoning that came with them",
    source="https://github.com/openai/openai-agents-python/issues/2155",
    apis=CHAT_ONLY,
    provider="DeepSeek",
    by_default=False,
)
def reasoning_content(request: Inspection) -> Iterator[Violation]:
    """Find messages with calls that lost their reasoning; `unknown_fields` must be allowed."""
    for index, (place, message) in enumerate(request.messages):
        if message.get("tool_calls") and not message.get("reasoning_content"):
            yield Violation(
                "Missing `reasoning_content` field in the assistant message at message index "
                f"{index}. For more information, please refer to "
                "https://api-docs.deepseek.com/guides/thinking_mode#tool-calls",
                place,
                "invalid_request_error",
            )


def _texts(request: Inspection) -> Iterator[tuple[str, str]]:
    """All texts that somebody said or a tool gave, each with its place."""
    for place, message in request.messages:
        if isinstance(said := message.get("content"), str) and message.get("role") != "tool":
            yield f"{place}.content", said
    for place, part, _ in request.parts:
        if isinstance(said := part.get("text"), str):
            yield f"{place}.text", said
    for place, output in request.outputs:
        if isinstance(output, str) or all("text" in part for part in dicts(output)):
            yield place, text_of(output)


def _status(place: str, item: Json) -> Iterator[Violation]:
    status: Any = item.get("status")
    hosted = str(item.get("type")).endswith(("interpreter_call", "search_call"))
    known = _HOSTED_STATUSES if hosted else _STATUSES
    if status is not None and str(status) not in known:
        yield not_one_of(f"{place}.status", status, known)


def _prefix(item: Json) -> str:
    if item.get("type", "message") == "message":
        return "msg"
    return _PREFIXES.get(str(item.get("type")), "")
