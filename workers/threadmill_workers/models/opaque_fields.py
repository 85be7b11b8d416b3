"""Fields of a provider's own that came with an answer, and that its model wants back.

Chat Completions has no reasoning. Servers add it in fields of their own, as texts, as lists of
blocks with signatures, or as a signature at each call. Without them some refuse the conversation as
soon as a tool has been called. Nobody but the model reads them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any

from pydantic_core import to_json

from threadmill_shared.records import lenient

Json = dict[str, Any]

_OPAQUE_NAME = re.compile(
    r"reason|think|thought|signature|opaque|encrypted|^(extra_content|provider_specific_fields)$"
)
"""DeepSeek, Kimi, Qwen, GLM, vLLM: `reasoning_content`; Groq, Cerebras, Ollama, OpenRouter:
`reasoning`; OpenRouter, MiniMax: `reasoning_details`; LiteLLM: `thinking_blocks`,
`provider_specific_fields`; Gemini: `extra_content`; Copilot: `reasoning_text`,
`reasoning_opaque`."""
_MESSAGE_FIELDS = frozenset(
    ("role", "content", "refusal", "tool_calls", "function_call", "annotations", "audio", "name")
)
_CALL_FIELDS = frozenset(("index", "id", "type", "function", "custom", "name", "arguments"))
_FUNCTION_FIELDS = frozenset(("name", "arguments"))
_SIGNATURE = re.compile(r"signature|opaque")
"""What comes whole, each time that it comes."""
_KEPT = (str, list, dict)
"""Types of what a model may want back; numbers are counts and times."""
_WHOLE_TEXTS = frozenset(("id", "type", "format", "role", "name"))
MOST_BYTES = 1_000_000
"""Of one field. A longer text is cut, anything else that is longer is not kept."""
_MAX_DEPTH = lenient.MAX_DEPTH - 1
"""Of one field. What is stored of a call's has one more level around it than a message's."""
_BYTES_OF_CHARACTER = 4
_CHANCE = 64
"""Characters that may come once more although each piece has only what is new."""


class _Text:
    """A text that comes in pieces, each of which has all so far in some servers."""

    __slots__ = ("_is_repeated", "_pieces", "_repeated")

    def __init__(self, text: str) -> None:
        self._pieces = [text]
        self._is_repeated = True
        """Whether each piece has begun with the one before it."""
        self._repeated = 0
        """Characters that came once more."""

    def add(self, text: str) -> None:
        longest = self._pieces[-1]
        if self._is_repeated and len(text) > len(longest) > 0 and text.startswith(longest):
            self._repeated += len(longest)
            self._pieces = [text] if self._is_certain() else [*self._pieces, text]
        elif not (self._is_repeated and self._is_certain() and _is_same(text, longest)):
            self._is_repeated = False
            self._pieces.append(text)

    def _is_certain(self) -> bool:
        return self._repeated > _CHANCE

    def whole(self) -> str:
        return self._pieces[-1] if self._is_repeated else "".join(self._pieces)


def _is_same(text: str, longest: str) -> bool:
    """Whether the text says nothing new, as the last one of a server that strips it."""
    return longest.startswith(text) or longest.strip() == text.strip()


class OpaqueFields:
    """The opaque fields of one message or call, as they come."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def add_from_message(self, delta: Json) -> None:
        """Take those of a message, or of a piece of it."""
        if _MESSAGE_FIELDS.issuperset(delta):  # as of most pieces
            return
        for name, value in _opaque(delta):
            self._add(name, value)

    def add_from_whole(self, message: Json) -> None:
        """Take those of a message of which pieces may have come already."""
        for name, value in _opaque(message):
            received = _whole(self._values.get(name))
            if isinstance(value, str) and isinstance(received, str):
                if value.startswith(received):
                    self._values[name] = _Text(value)
            elif received is None:
                self._add(name, value)

    def add_from_call(self, call: Json, function: Json) -> None:
        """Take those of a call, or of a piece of it: all that is not of the protocol."""
        for name, value in _others(call, _CALL_FIELDS):
            self._add(name, value)
        if function is not call and (own := dict(_others(function, _FUNCTION_FIELDS))):
            self._add("function", own)

    def ended(self) -> Json:
        """All of them, as they are stored; those that are too long are cut or left out."""
        found = {
            name: lenient.storable(_whole(value), _MAX_DEPTH)
            for name, value in self._values.items()
        }
        return {name: _bounded(value) for name, value in found.items() if _is_kept(value)}

    def _add(self, name: str, value: Any) -> None:
        self._values[name] = _merged(name, self._values.get(name), value)


def _opaque(message: Json) -> Iterator[tuple[str, Any]]:
    for name, value in message.items():
        if value and _is_opaque(name) and isinstance(value, _KEPT):
            yield name, value


@lru_cache(maxsize=256)
def _is_opaque(name: str) -> bool:
    return name not in _MESSAGE_FIELDS and _OPAQUE_NAME.search(name) is not None


def _others(call: Json, known: Collection[str]) -> Iterator[tuple[str, Any]]:
    for name, value in call.items():
        if value and name not in known and isinstance(value, _KEPT):
            yield name, value


# ---- pieces --------------------------------------------------------------------------------------


def _merged(name: str, old: Any, new: Any) -> Any:
    """A value with its next piece."""
    if isinstance(new, str):
        return _merged_text(name, old, new)
    if isinstance(new, dict):
        return _merged_object(old if isinstance(old, dict) else {}, new)
    if isinstance(new, list):
        merged = list(old) if isinstance(old, list) else []
        for one in new:
            _add_to_list(name, merged, one)
        return merged
    return old if new is None else new


def _merged_text(name: str, old: Any, new: str) -> Any:
    if not isinstance(old, _Text) or _SIGNATURE.search(name) or name in _WHOLE_TEXTS:
        return _Text(new) if new or not isinstance(old, _Text) else old
    if new:
        old.add(new)
    return old


def _merged_object(old: Json, new: Json) -> Json:
    return old | {name: _merged(name, old.get(name), value) for name, value in new.items()}


def _add_to_list(name: str, merged: list[Any], one: Any) -> None:
    """Add a member, or to the one that it continues."""
    if not isinstance(one, dict):
        is_repeated = _SIGNATURE.search(name) and one in map(_whole, merged)
        merged += [] if is_repeated else [_merged("", None, one)]
        return
    for at in reversed(range(len(merged))):
        if isinstance(merged[at], dict) and _continues(merged[at], one):
            merged[at] = _merged_object(merged[at], one)
            return
        if "index" not in one:
            break
    merged.append(_merged_object({}, one))


def _continues(block: Json, piece: Json) -> bool:
    """Whether the piece is of the same block."""
    for name in ("index", "type", "id"):
        old, new = _whole(block.get(name)), piece.get(name)
        if old != new and not (old is None or new is None):
            return False
    if "index" in piece:
        return "index" in block
    return _whole(block.get("signature")) in (None, "") and "data" not in piece


def _whole(value: Any) -> Any:
    """A value with its texts joined."""
    if isinstance(value, _Text):
        return value.whole()
    if isinstance(value, dict):
        return {name: _whole(part) for name, part in value.items()}
    return [*map(_whole, value)] if isinstance(value, list) else value


# ---- sizes ---------------------------------------------------------------------------------------


def _is_kept(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value)
    return _says_something(value) and len(to_json(value)) <= MOST_BYTES


def _says_something(value: Any) -> bool:
    """Whether anything in the value is not empty."""
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return any(map(_says_something, parts))
    return bool(value)


def _bounded(value: Any) -> Any:
    return value[: MOST_BYTES // _BYTES_OF_CHARACTER] if isinstance(value, str) else value
