"""Makes objects of the openai package for JSON that only grows.

The package constructs an object from JSON by examining the types of all its fields, and of all that
is inside of them. For each piece of a text that is done again, although only the text has changed.
Here the last object is copied instead, along the path that leads to the text. If anything else has
changed, the package constructs the object. What the copies have in common they share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openai import BaseModel

Json = dict[str, Any]

_TEXT = "value"
"""The field of a text; no type depends on what is in it."""


class GrowingObject:
    """Makes the objects of one class, from one state of it to the next."""

    def __init__(self, construct: Callable[[Json], Any]) -> None:
        """Nothing is made yet; `construct` makes an object from all of its fields."""
        self._construct = construct
        self._fields: Json = {}
        self._object: Any = None

    def made(self, fields: Json) -> Any:
        """The object with these fields, which nobody changes afterwards."""
        try:
            made = _with_texts(self._object, self._fields, fields)
        except _OtherChange:
            made = self._construct(fields)
        self._fields, self._object = fields, made
        return made


class _OtherChange(Exception):
    """More than texts has changed."""


def _with_texts(found: Any, before: Any, now: Any) -> Any:
    """What was made from `before`, with the texts of `now`."""
    if isinstance(found, BaseModel) and isinstance(now, dict) and before.keys() == now.keys():
        changes = {
            name: _with_text(getattr(found, name), name, before[name], value)
            for name, value in now.items()
            if value != before[name]
        }
        return found.model_copy(update=changes)
    if isinstance(found, list) and isinstance(now, list) and len(before) == len(now):
        return [_with_texts(*one) for one in zip(found, before, now, strict=True)]
    raise _OtherChange


def _with_text(found: Any, name: str, before: Any, now: Any) -> Any:
    if name == _TEXT and isinstance(before, str) and isinstance(now, str):
        return now
    return _with_texts(found, before, now)
