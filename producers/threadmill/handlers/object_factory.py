"""What a dispatcher needs of the classes of objects that hooks are given."""

from __future__ import annotations

from typing import Any, Protocol

from threadmill_shared.events.decoder import Event

Json = dict[str, Any]


class ObjectFactory(Protocol):
    """Makes the hooks' arguments from plain JSON."""

    def takes(self, event: Event) -> bool:
        """Whether the handler gets the event."""

    def event(self, event: Event) -> Any:
        """The event for `on_event`."""

    def data(self, event: Any) -> Any:
        """What an event that `event` made is about."""

    def message(self, fields: Json) -> Any:
        """A message."""

    def text(self, fields: Json) -> Any:
        """A text of a message."""

    def step(self, fields: Json) -> Any:
        """A step."""
