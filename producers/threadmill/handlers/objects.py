"""The objects that our own hooks are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from threadmill_shared.events.decoder import Event


class ApiObject:
    """An object of the Assistants API. Its fields are attributes: `message.content[0].text.value`.

    Keys are accepted too (`metadata["tenant"]`); `to_dict` gives the JSON it was made of.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        try:
            return _shown(self._fields[name])
        except KeyError:
            raise AttributeError(
                f"This object has no field {name!r}. It has: {', '.join(self._fields)}."
            ) from None

    def __getitem__(self, name: str) -> Any:
        return _shown(self._fields[name])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiObject) and self._fields == other._fields

    __hash__ = None  # type: ignore[assignment]  # like the dicts it replaces

    def __repr__(self) -> str:
        return f"ApiObject({dict(self._fields)!r})"

    def to_dict(self) -> dict[str, Any]:
        """The object as plain JSON."""
        return dict(self._fields)


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return ApiObject(value)
    return [_shown(one) for one in value] if isinstance(value, list) else value


class ApiObjectFactory:
    """Makes the objects for handlers of our own base class, which get every event."""

    def takes(self, event: Event) -> bool:  # noqa: ARG002  every one
        """Whether the handler gets the event."""
        return True

    def event(self, event: Event) -> Any:
        """The event for `on_event`."""
        return event

    def data(self, event: Event) -> Any:
        """What an event that `event` made is about."""
        return ApiObject(event.data)

    def message(self, fields: dict[str, Any]) -> Any:
        """A message."""
        return ApiObject(fields)

    def text(self, fields: dict[str, Any]) -> Any:
        """A text of a message."""
        return ApiObject(fields)

    def step(self, fields: dict[str, Any]) -> Any:
        """A step."""
        return ApiObject(fields)
