"""A run's events for programs: each object once, and then only what has changed of it."""

from __future__ import annotations

from typing import Any

from threadmill import Event

_ALWAYS = ("id", "object", "status")
_LEFT_OUT = frozenset({"instructions", "tools"})
"""Fields of a run that never change, are large, and are in its record."""


class EventChanges:
    """Makes JSON objects of events: `id`, `at`, `event`, `data`."""

    def __init__(self) -> None:
        """Nothing was printed yet."""
        self._known: dict[str, dict[str, Any]] = {}
        """The fields of each object, as they were printed last."""

    def object_of(self, event: Event) -> dict[str, Any]:
        """The event, with what has changed of the object that it is about."""
        data = self._changes(event.data) if _is_about_object(event) else event.data
        return {"id": event.id, "at": event.at, "event": event.event, "data": data}

    def _changes(self, data: dict[str, Any]) -> dict[str, Any]:
        known = self._known.get(data["id"], {})
        self._known[data["id"]] = data
        return {
            name: value
            for name, value in data.items()
            if name in _ALWAYS or (name not in _LEFT_OUT and value != known.get(name))
        }


def _is_about_object(event: Event) -> bool:
    """Whether its data is a run, a step or a message; a delta is a change already."""
    is_object = isinstance(event.data, dict) and "id" in event.data and "object" in event.data
    return is_object and not event.event.endswith(".delta")
