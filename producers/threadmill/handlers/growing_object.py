"""Makes objects of the openai package for JSON that only grows.

The package constructs an object from JSON by examining the types of all its fields, and of all that
is inside of them. For each piece of a text that is done again, although only the text has changed.
Here an object that the package has constructed is copied instead, with other texts. If anything
else has changed, the package constructs the object. Handlers may change what they are given: they
get copies, which share nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
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
        self._pattern: Any = None
        """Made from these fields; it is copied, and nobody is given it."""

    def made(self, fields: Json) -> Any:
        """The object with these fields, which nobody changes afterwards."""
        try:
            return _copied(self._pattern, self._fields, fields)
        except _OtherChange:
            self._fields, self._pattern = fields, self._construct(fields)
            return self._pattern.model_copy(deep=True)


class _OtherChange(Exception):
    """More than texts has changed."""


def _copied(found: Any, before: Any, now: Any) -> Any:
    """A copy of what was made from `before`, with the texts of `now`."""
    if isinstance(found, BaseModel) and isinstance(now, dict) and before.keys() == now.keys():
        parts = found.__dict__ | (found.__pydantic_extra__ or {})
        if not now.keys() <= parts.keys():
            raise _OtherChange
        return found.model_copy(
            update={name: _field(parts[name], name, before[name], now[name]) for name in now}
        )
    if isinstance(found, list) and isinstance(now, list) and len(before) == len(now):
        return [*map(_copied, found, before, now)]
    if before != now:
        raise _OtherChange
    return deepcopy(found) if isinstance(found, dict) else found


def _field(found: Any, name: str, before: Any, now: Any) -> Any:
    if name == _TEXT and isinstance(before, str) and isinstance(now, str):
        return now
    return _copied(found, before, now)
