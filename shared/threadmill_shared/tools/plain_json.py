"""Python values in a schema, as the JSON that they are sent as."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python


class NotJson(Exception):
    """A value cannot be written as JSON."""


def plain_json(value: Any) -> Any:
    """The value as plain JSON: a date as text, and a set as a list, always in the same order.

    Raises:
        NotJson: JSON has no such value: infinity, NaN, objects of a class of its own.
    """
    if isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    try:
        plain = to_jsonable_python(value)
        json.dumps(plain, allow_nan=False, ensure_ascii=False).encode()
    except (PydanticSerializationError, TypeError, ValueError) as error:
        raise NotJson(f"{type(value).__name__} is not JSON") from error
    return plain
