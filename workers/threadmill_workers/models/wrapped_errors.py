"""A provider's error inside the message of another one, as gateways and proxies tell it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Any
from warnings import catch_warnings, simplefilter

_MOST = 4
"""So many places of one text are tried."""
_BEGINNING = re.compile(r"b?['\"]?[{\[]")
_PRINTED = re.compile(r"(?:Error code: \d{3} - )?(\{'(?:error|object|detail)'.*\})", re.DOTALL)
"""As the openai package prints the body of a response."""
_WORDS = frozenset(("type", "code", "object", "status"))
"""Beside its message, an error has one of these: other objects may be the conversation's."""
_DECODER = json.JSONDecoder()


def error_within(text: str) -> tuple[object, int, int] | None:
    """The first error within a text, and where it begins and ends; None if there is none."""
    if "{" not in text:
        return None
    for found in islice(_BEGINNING.finditer(text), _MOST):
        with suppress(ValueError, RecursionError):
            value, end = _DECODER.raw_decode(text, found.end() - 1)
            if _is_error(value):
                return value, found.start(), _end(text, found.group(), end)
    if (printed := _PRINTED.search(text)) is not None:
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError), catch_warnings():
            simplefilter("ignore")  # of backslashes
            value = ast.literal_eval(printed[1])
            if _is_error(value):
                return value, printed.start(), printed.end()
    return None


def _end(text: str, beginning: str, end: int) -> int:
    """Where it ends, with the quotation mark."""
    is_quoted = len(beginning) > 1 and text[end : end + 1] == beginning[-2]
    return end + is_quoted


def _is_error(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and _is_error(value[0])
    if not isinstance(value, Mapping):
        return False
    return "error" in value or "detail" in value or ("message" in value and bool(_WORDS & {*value}))
