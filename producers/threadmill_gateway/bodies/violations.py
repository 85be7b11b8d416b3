"""From what pydantic finds wrong to the error that the API answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from threadmill_gateway.answers.api_error import ApiError

TAG = "#"
"""What names of a union's branches begin with: they are in pydantic's path, not in the body's."""


def violation(error: ValidationError) -> ApiError:
    """The answer to the first thing that is wrong."""
    found = _first(error)
    param = _path(found["loc"])
    describe = _DESCRIPTIONS.get(found["type"], _describe_other)
    message, code, param = describe(param, found)
    return ApiError(400, message, param=param or None, code=code)


def tag_of_type(value: object) -> str | None:
    """The branch of a union whose objects have a `type`; None: the value has none."""
    found = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return TAG + found if isinstance(found, str) else None


Found = Mapping[str, Any]
"""One of pydantic's errors."""
Description = tuple[str, str, str]
"""Message, code and parameter."""


def _first(error: ValidationError) -> Any:
    """An unknown name comes last: it is often a misspelt one that is missing, but not the cause."""
    found = error.errors(include_url=False)
    return next((one for one in found if one["type"] != "extra_forbidden"), found[0])


def _path(location: tuple[str | int, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.startswith(TAG):
            path += f".{part}" if path else part
    return path


def _describe_missing(param: str, _found: Found) -> Description:
    return f"Missing required parameter: '{param}'.", "missing_required_parameter", param


def _describe_unknown(param: str, _found: Found) -> Description:
    return f"Unknown parameter: '{param}'.", "unknown_parameter", param


def _describe_missing_type(param: str, found: Found) -> Description:
    if not isinstance(found["input"], dict):
        return _describe_type(param, found)
    return _describe_missing(f"{param}.type".lstrip("."), found)


def _describe_choice(param: str, found: Found) -> Description:
    context = found["ctx"]
    expected = str(context.get("expected") or context["expected_tags"]).replace(TAG, "")
    is_tag = "expected_tags" in context
    param = f"{param}.type".lstrip(".") if is_tag else param
    words = f"Invalid value for '{param}'. Supported values are: {expected}."
    return words, "invalid_value", param


def _describe_type(param: str, found: Found) -> Description:
    expected = _EXPECTED.get(found["type"], "an object")
    words = f"expected {expected}, but got {_kind_of(found['input'])} instead"
    return f"Invalid type for '{param}': {words}.", "invalid_type", param


def _describe_length(param: str, found: Found) -> Description:
    is_text, is_long = found["type"].startswith("string"), found["type"].endswith("long")
    context = found["ctx"]
    word, kind = ("string", "a string") if is_text else ("array", "an array")
    limit = context["max_length"] if is_long else context["min_length"]
    what = f"{word} too long" if is_long else f"empty {word}"
    most = "maximum" if is_long else "minimum"
    words = (
        f"Invalid '{param}': {what}. Expected {kind} with {most} length {limit}, but got {kind} "
        f"with length {len(found['input'])} instead."
    )
    return words, f"{word}_{'above_max' if is_long else 'below_min'}_length", param


def _describe_range(param: str, found: Found) -> Description:
    given, context = found["input"], found["ctx"]
    number = "decimal" if isinstance(given, float) else "integer"
    is_low = "ge" in context
    side, sign = ("below minimum", ">=") if is_low else ("above maximum", "<=")
    limit = context["ge"] if is_low else context["le"]
    words = (
        f"Invalid '{param}': {number} {side} value. Expected a value {sign} {limit:g}, but got "
        f"{given} instead."
    )
    return words, f"{number}_{'below_min' if is_low else 'above_max'}_value", param


def _describe_pattern(param: str, found: Found) -> Description:
    pattern = found["ctx"]["pattern"]
    words = (
        f"Invalid '{param}': string does not match pattern. Expected a string that matches the "
        f"pattern '{pattern}'."
    )
    return words, "invalid_value", param


def _describe_other(param: str, found: Found) -> Description:
    if found["type"] in _EXPECTED:
        return _describe_type(param, found)
    reason = found["msg"].removeprefix("Value error, ")
    return f"Invalid '{param}': {reason}.", "invalid_value", param


_DESCRIPTIONS: dict[str, Callable[[str, Found], Description]] = {
    "missing": _describe_missing,
    "extra_forbidden": _describe_unknown,
    "union_tag_not_found": _describe_missing_type,
    "union_tag_invalid": _describe_choice,
    "literal_error": _describe_choice,
    "string_too_long": _describe_length,
    "string_too_short": _describe_length,
    "too_long": _describe_length,
    "too_short": _describe_length,
    "greater_than_equal": _describe_range,
    "less_than_equal": _describe_range,
    "string_pattern_mismatch": _describe_pattern,
}
_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
}
_KINDS = {
    str: "a string",
    list: "an array",
    float: "a decimal",
    int: "an integer",
    bool: "a boolean",
}


def _kind_of(value: Any) -> str:
    return "null" if value is None else _KINDS.get(type(value), "an object")
