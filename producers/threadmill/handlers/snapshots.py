"""Messages and steps so far, put together from what a run's events add. All is plain JSON.

Nothing is changed in place: a snapshot that a hook has kept stays what it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

_WHOLE = frozenset({"index", "type", "id", "name", "file_id"})
"""Fields that a delta repeats; other texts are continued."""


class MessageSnapshot:
    """A message that is being written.

    The parts are joined only on request: most handlers never ask, and a long text would be copied
    for each of its tokens.
    """

    def __init__(self, fields: Json) -> None:
        self._fields = fields
        self._added: list[Json] = []

    def add(self, part: Json) -> None:
        """Add a part of a delta's content."""
        self._added.append(part)

    def fields(self) -> Json:
        """The message with everything that was added."""
        if self._added:
            content = merged_by_index(self._fields.get("content"), self._added)
            self._fields = {**self._fields, "content": [_with_annotations(one) for one in content]}
            self._added = []
        return self._fields


def with_calls(step: Json, calls: Iterable[Json]) -> Json:
    """A step to whose tool calls this was added."""
    details = step["step_details"]
    made = merged_by_index(details.get("tool_calls"), calls)
    return {**step, "step_details": {**details, "tool_calls": made}}


def merged_by_index(old: list[Json] | None, new: Iterable[Json]) -> list[Json]:
    """A list to whose elements something was added; `index` tells to which."""
    found = {one.get("index", at): one for at, one in enumerate(old or ())}
    for one in new:
        found[one["index"]] = _merged(found.get(one["index"]), one)
    return [found[index] for index in sorted(found)]


def _merged(old: Any, new: Any) -> Any:
    if old is None or new is None:
        return old if new is None else new
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{name: _field(name, old.get(name), new[name]) for name in new}}
    if isinstance(old, list) and isinstance(new, list):
        has_indexes = all(isinstance(one, dict) and "index" in one for one in new)
        return merged_by_index(old, new) if has_indexes else old + new
    return old + new if isinstance(old, str) and isinstance(new, str) else new


def _field(name: str, old: Any, new: Any) -> Any:
    return new if name in _WHOLE and new is not None else _merged(old, new)


def _with_annotations(part: Json) -> Json:
    # A text's first delta need not have any, and whoever loops over them should not fall.
    if part.get("type") != "text":
        return part
    return {**part, "text": {"annotations": [], **part["text"]}}
