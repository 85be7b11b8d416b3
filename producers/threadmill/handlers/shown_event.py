"""An event as a handler sees it, made when a hook needs it.

Most handlers look at a few hooks' arguments and never at the event itself, and making an object of
the openai package costs more than all the rest that is done for a delta.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from threadmill.handlers.object_factory import ObjectFactory
from threadmill_shared.events.decoder import Event


class ShownEvent:
    """One event, for the hooks that are called for it; all of them see the same objects."""

    def __init__(self, objects: ObjectFactory, event: Event) -> None:
        """Nothing is made yet.

        Args:
            objects: makes the objects.
            event: one that the factory takes.
        """
        self._objects = objects
        self._event = event

    @cached_property
    def event(self) -> Any:
        """The event for `on_event`."""
        return self._objects.event(self._event)

    @cached_property
    def data(self) -> Any:
        """What the event is about."""
        return self._objects.data(self.event)
