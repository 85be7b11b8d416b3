"""Conversion of single JSON values from others into values that can be stored and sent back.

A provider can send anything anywhere, and so can an imported file. Stored values are read forever,
by workers, producers, printers and exports. So each value is converted once, when it is received,
by one of these functions; none of them raises. They also read values that were stored before they
existed.
"""

from __future__ import annotations

import codecs
import math
import re
from typing import Any

from pydantic_core import from_json, to_json

MAX_DEPTH = 64
"""Values that are nested deeper become null. By default parsers take 64 levels (System.Text.Json),
128 (serde_json) or 200 (ours, which must also read what is put around the value here)."""
_MAX_COUNT = 2**53 - 1
"""The largest integer that every reader of JSON keeps exactly."""
_LARGE_NUMBER = re.compile(r"[eE]\+?[0-9]{3}|[0-9]{300}")
_ESCAPED_BYTES = re.compile("(?<![\ud800-\udbff])[\udc80-\udcff]+")
"""Bytes that are not valid UTF-8, as `surrogateescape` decodes them."""
_MOST_BYTES = 4
"""Bytes of one character."""
_INTEGERS = range(-(2**63), 2**63)


def text(value: object) -> str:
    """A text of whole characters, an empty one for null, and JSON for anything else."""
    if isinstance(value, str):
        return whole_characters(value)
    return "" if value is None else to_json(storable(value)).decode()


def whole_characters(text: str) -> str:
    """The text with the halves of surrogate pairs joined, and U+FFFD for halves that are alone.

    So it is with the bytes of characters that `surrogateescape` has made into such halves.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        joined = _ESCAPED_BYTES.sub(_decoded, text)
        return joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def cut_character(text: str) -> str:
    """The end of a text that may be the beginning of a character; empty if its last one is whole.

    It is the first half of a surrogate pair, or bytes as `surrogateescape` decodes them.
    """
    if "\ud800" <= text[-1:] <= "\udbff":
        return text[-1]
    *_, end = ("", *_ESCAPED_BYTES.findall(text[-_MOST_BYTES:]))
    if not text.endswith(end):
        return ""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(end.encode(errors="surrogateescape"))
    return decoder.getstate()[0].decode(errors="surrogateescape")


def _decoded(found: re.Match[str]) -> str:
    return found[0].encode(errors="surrogateescape").decode(errors="replace")


def whole_number(value: object) -> int | None:
    """A whole number of at least 0; None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _MAX_COUNT else None


def number(value: object) -> float:
    """A number that JSON can express; 0 if it is not one."""
    found = storable(value)
    return float(found) if isinstance(found, int | float) else 0.0


def json_object(value: object) -> dict[str, Any]:
    """An object unchanged, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[dict[str, Any]]:
    """The objects in a list; none for anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    """The members of a list as texts; none for anything else."""
    return [text(one) for one in value] if isinstance(value, list) else []


def storable(value: Any, depth: int = MAX_DEPTH) -> Any:
    """The value, with null for what JSON cannot express, and for what is too deep or too large."""
    if isinstance(value, dict | list):
        return _members(value, depth - 1) if depth > 0 else None
    if isinstance(value, str):
        return whole_characters(value)
    return value if _is_plain(value) else None


def _members(value: dict[str, Any] | list[Any], depth: int) -> Any:
    if isinstance(value, list):
        return [storable(one, depth) for one in value]
    return {whole_characters(name): storable(one, depth) for name, one in value.items()}


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and value in _INTEGERS


def is_object(arguments: str) -> bool:
    """Whether a text is one JSON object, strictly, that parsers of any kind can read."""
    try:
        value = from_json(arguments, allow_inf_nan=False)
    except ValueError:
        return False
    return isinstance(value, dict) and not _is_too_much(value, arguments)


def _is_too_much(value: Any, written: str) -> bool:
    """Whether the value is nested too deep, or has a number that no float can hold."""
    # Usually the number of brackets, and the length of numbers, answer this.
    brackets = written.count("[") + written.count("{")
    may_be = brackets > MAX_DEPTH or _LARGE_NUMBER.search(written) is not None
    return may_be and storable(value) != value
