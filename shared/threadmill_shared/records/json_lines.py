"""JSON in lines: one object a line, for readers of any kind."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json, to_json

_LINE_ENDS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""Characters that JSON takes for letters, and readers such as `str.splitlines` for a line's end.
The others are control characters, which JSON escapes."""


def json_line(value: Any, *, is_spaced: bool = False) -> str:
    """A JSON value in one line, without its end; NaN and infinities become null.

    Args:
        value: anything that can be written as JSON.
        is_spaced: whether colons and commas are followed by a space, as in most saved files, so
            that they can be searched in the same way.
    """
    line = to_json(value, inf_nan_mode="null").decode()
    if is_spaced:
        line = json.dumps(from_json(line), ensure_ascii=False)
    for character, escaped in _LINE_ENDS.items():
        line = line.replace(character, escaped)
    return line
