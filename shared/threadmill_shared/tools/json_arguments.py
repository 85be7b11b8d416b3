"""What is wrong with arguments that should be one JSON object, in words that a model can act on."""

from __future__ import annotations

import math
import re
from typing import Any

from pydantic_core import from_json

_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "an array",
    type(None): "null",
}
_LARGE_NUMBER = re.compile(r"[eE]\+?[0-9]{3}")


def find_mistake(arguments: str) -> str | None:
    """Say why the text is not one JSON object; None if it is one, or is blank, as good as `{}`."""
    text = arguments.strip()
    if not text:
        return None
    try:
        value = from_json(text, allow_inf_nan=False)
    except TypeError:
        return "a text in them is not valid unicode"
    except ValueError as error:
        return _explain(text, str(error))
    if not isinstance(value, dict):
        return _other_kind(value)
    is_too_large = _LARGE_NUMBER.search(text) is not None and _has_infinite(value)
    return "a number in them is too large" if is_too_large else None


def explain_mistake(tool: str, mistake: str) -> str:
    """The sentence that a model is told about a call of this tool."""
    return f"The arguments of {tool} are not valid: {mistake}."


def _explain(text: str, error: str) -> str:
    if _is_json_with_nan(text):
        return "NaN and Infinity are not JSON; write a number or null"
    if "EOF while parsing" in error:
        return f"Invalid JSON: they are cut off after {len(text)} characters"
    if "trailing characters" in error:
        return f"Invalid JSON: they should be one JSON object and nothing else ({error})"
    return f"Invalid JSON: {error}"


def _is_json_with_nan(text: str) -> bool:
    try:
        from_json(text)
    except ValueError:
        return False
    return True


def _other_kind(value: Any) -> str:
    said = f"they should be one JSON object, not {_KINDS[type(value)]}"
    if isinstance(value, str) and value.lstrip().startswith("{"):
        return f"{said} that contains one"
    return said


def _has_infinite(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_infinite, value.values()))
    if isinstance(value, list):
        return any(map(_has_infinite, value))
    return isinstance(value, float) and not math.isfinite(value)
