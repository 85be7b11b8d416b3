"""Rules for the tools that are offered, and the choice among them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from threadmill.testing.standin.choices import forced_name, is_forced
from threadmill.testing.standin.parameters import TOOL_FIELDS
from threadmill.testing.standin.rules.calls import NAME_LENGTH, NAME_PATTERN
from threadmill.testing.standin.rules.rule import (
    CHAT_ONLY,
    OPENAI_PACKAGE,
    OPENAI_REFERENCE,
    Inspection,
    Violation,
    missing,
    not_one_of,
    rule,
    too_long,
    unlike,
)

_TOOLS = 128
_DESCRIPTION = 1024
_TYPES = frozenset(name for name in TOOL_FIELDS if not name.startswith("chat "))
_CHOICES = frozenset({"function", "allowed_tools", "code_interpreter", "file_search"})
"""A web search is chosen as the only one of `allowed_tools`: it has no choice of its own."""
_WORDS = frozenset({"none", "auto", "required"})


@rule("tools of types that the stand-in does not know", source=OPENAI_PACKAGE)
def tool_types(request: Inspection) -> Iterator[Violation]:
    """Find tools of other types."""
    known = frozenset({"function"}) if request.is_chat else _TYPES
    for place, tool in request.tools:
        if str(tool.get("type")) not in known:
            yield not_one_of(f"{place}.type", tool.get("type"), known)


@rule(
    "more than 128 tools",
    source="https://github.com/vishalmysore/Tools4AI/issues/16",
)
def tool_count(request: Inspection) -> Iterator[Violation]:
    """Find too many tools."""
    if len(request.tools) > _TOOLS:
        yield Violation(
            f"Invalid 'tools': array too long. Expected an array with maximum length {_TOOLS}, but "
            f"got an array with length {len(request.tools)} instead.",
            "tools",
            "array_above_max_length",
        )


@rule("an empty array of tools", source=OPENAI_REFERENCE, apis=CHAT_ONLY)
def tools_empty(request: Inspection) -> Iterator[Violation]:
    """Find tools that are none."""
    if request.body.get("tools") == []:
        yield Violation(
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an "
            "empty array instead.",
            "tools",
            "empty_array",
        )


@rule(
    "functions without a name, of other characters than letters, digits, _ and -, or over 64",
    source="https://github.com/run-llama/llama_index/issues/16093",
)
def tool_names(request: Inspection) -> Iterator[Violation]:
    """Find names that are not possible."""
    if request.is_chat:
        for place, tool in request.tools:
            if not isinstance(tool.get("function"), dict):
                yield missing(f"{place}.function")
    for place, function in request.functions:
        name = function.get("name")
        if not isinstance(name, str):
            yield missing(f"{place}.name")
        elif len(name) > NAME_LENGTH:
            yield too_long(f"{place}.name", len(name), NAME_LENGTH)
        elif not re.fullmatch(NAME_PATTERN, name):
            yield unlike(f"{place}.name", NAME_PATTERN)


@rule(
    "two functions of one name",
    source="https://github.com/anthropics/claude-code/issues/10687; "
    "https://github.com/rikkahub/rikkahub/issues/1311",
    provider="Anthropic, Gemini",
)
def tool_names_repeated(request: Inspection) -> Iterator[Violation]:
    """Find functions that no name tells apart."""
    counts = Counter(str(function.get("name")) for _, function in request.functions)
    for name, count in counts.items():
        if count > 1:
            yield Violation(f"tools: Tool names must be unique. ('{name}')", "tools")


@rule(
    "descriptions over 1,024 characters in Chat",
    source="https://github.com/OpenHands/OpenHands/issues/4838",
    apis=CHAT_ONLY,
)
def tool_descriptions(request: Inspection) -> Iterator[Violation]:
    """Find descriptions that are too long."""
    for place, function in request.functions:
        description = function.get("description")
        if isinstance(description, str) and len(description) > _DESCRIPTION:
            yield too_long(f"{place}.description", len(description), _DESCRIPTION)


@rule(
    "tool_choice and parallel_tool_calls without tools",
    source="https://github.com/writer/writer-framework/pull/1013",
    apis=CHAT_ONLY,
)
def choice_without_tools(request: Inspection) -> Iterator[Violation]:
    """Find choices among nothing."""
    for name in ("tool_choice", "parallel_tool_calls"):
        if request.body.get(name) is not None and not request.body.get("tools"):
            yield Violation(
                f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.",
                name,
            )


@rule("a tool_choice of a tool that is not offered, or that is no choice", source=OPENAI_REFERENCE)
def choice_of_tool(request: Inspection) -> Iterator[Violation]:
    """Find choices that cannot be made."""
    choice: Any = request.body.get("tool_choice")
    if choice is None:
        return
    if isinstance(choice, str) and choice not in _WORDS:
        yield not_one_of("tool_choice", choice, _WORDS)
        return
    if isinstance(choice, dict) and str(choice.get("type")) not in _CHOICES:
        yield not_one_of("tool_choice.type", choice.get("type"), _CHOICES)
        return
    name = forced_name(choice)
    if is_forced(choice) and (not request.tools or (name and name not in request.request.tools)):
        what = name or str(choice)
        yield Violation(f"Tool choice '{what}' not found in 'tools' parameter.", "tool_choice")
