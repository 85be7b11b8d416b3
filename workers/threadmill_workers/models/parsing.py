"""Reads what a provider sends beside its text, into values that are valid whatever was sent.

What is not usable counts as not sent: a run must not fail for it.
"""

from __future__ import annotations

import math
import re
from typing import Any

from threadmill_shared.model import FinishReason, ToolCalled, Usage
from threadmill_shared.records import lenient
from threadmill_workers.models.errors import StreamFailed

Json = dict[str, Any]

_NEEDED = {
    "file_citation": ("file_id",),
    "file_path": ("file_id",),
    "container_file_citation": ("container_id", "file_id"),
    "url_citation": ("url",),
}
"""The texts without which a citation names nothing."""
_PLACES = ("start_index", "end_index", "index")
_NAME_LENGTH = 200
"""Characters of a name that a model has made up; those of tools have at most 64."""
_TEXT_PARTS = frozenset(("", "text", "output_text", "text_delta", "refusal"))
"""Types of parts that a user may read; what a model thinks is in others."""
_TEXT_FIELDS = ("text", "refusal", "content", "value")
_LONGEST_NUMBER = 17
"""Digits of a number that comes as a text."""
_PROMPT = ("prompt_tokens", "input_tokens")
_COMPLETION = ("completion_tokens", "output_tokens")

# Servers pass on the words of what is behind them: MAX_TOKENS, model_length, SAFETY, RECITATION.
_CUT = {
    FinishReason.LENGTH: re.compile("length|max.*tokens|tokens?_limit|context_window"),
    FinishReason.CONTENT_FILTER: re.compile(
        "filter|safety|recitation|block|prohibited|spii|sensitive|guardrail|toxic|refusal"
    ),
}
_FAILED = re.compile("error|abort|cancel|fail|malformed|interrupt|insufficient")
_NO_REASON = frozenset(("", "null", "none"))


def parse_text(content: object) -> str:
    """Read a text, which may come in parts, or in parts of parts.

    Raises:
        TypeError: it is no text.
    """
    if isinstance(content, str | list | dict):
        return _text_in(content)
    if content is None:
        return ""
    raise TypeError


def _text_in(content: object) -> str:
    if isinstance(content, list):
        return "".join(map(_text_in, content))
    if isinstance(content, dict):
        return _text_of_part(content)
    return content if isinstance(content, str) else ""


def _text_of_part(part: Json) -> str:
    if lenient.text(part.get("type")) not in _TEXT_PARTS or part.get("thought") is True:
        return ""
    return _text_in(next((part[name] for name in _TEXT_FIELDS if part.get(name)), ""))


def parse_finish_reason(reason: object) -> FinishReason | None:
    """Read why the model stopped; None if nothing is told.

    Raises:
        StreamFailed: the provider failed.
    """
    word = lenient.text(reason).lower()
    if word in _NO_REASON:
        return None
    for cut, pattern in _CUT.items():
        if pattern.search(word):
            return cut
    if _FAILED.search(word):
        raise StreamFailed({"code": "server_error", "message": f"The answer ended with {word}."})
    return FinishReason.END


def parse_usage(data: object) -> Usage:
    """Read tokens from an object that has them under the names of either API."""
    counts = lenient.json_object(data)
    read, written = _first_count(counts, _PROMPT), _first_count(counts, _COMPLETION)
    total = parse_count(counts.get("total_tokens")) or 0
    return Usage(read, written, max(total, read + written))


def _first_count(counts: Json, names: tuple[str, ...]) -> int:
    return next(filter(None, (parse_count(counts.get(name)) for name in names)), 0)


def parse_count(value: object) -> int | None:
    """Read a whole number of at least 0, which may come as a text; None if it is not one."""
    if isinstance(value, str) and value.isdecimal() and len(value) < _LONGEST_NUMBER:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return lenient.whole_number(int(value))
    return lenient.whole_number(value)


def parse_tool_call(name: object, arguments: object, id: object) -> ToolCalled:
    """Read a call of a tool; if it is not usable, its output tells the model so."""
    return ToolCalled(
        lenient.text(name)[:_NAME_LENGTH],
        lenient.whole_characters(lenient.text(arguments)),
        lenient.whole_characters(id) if isinstance(id, str) else "",
    )


def parse_citation(data: Json) -> Json | None:
    """Read a citation: what is cited, without a place that is invalid; None if it names nothing."""
    kind = data.get("type")
    if not isinstance(kind, str):
        return None
    if isinstance(nested := data.get(kind), dict):  # Chat Completions has the fields in there
        data = {"type": kind} | nested
    if not all(isinstance(data.get(n), str) and data[n] for n in _NEEDED.get(kind, ())):
        return None
    cited: Json = lenient.storable(data)
    for name in _PLACES:
        if lenient.whole_number(cited.get(name)) is None:
            cited.pop(name, None)
    if not isinstance(cited.get("filename"), str):
        cited.pop("filename", None)
    return cited
