"""Entering a run's stream in the middle, with what a handler must know by then.

It is made of the log itself, from the beginning up to the place of entry: so it fits what follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from threadmill.handlers.snapshots import MessageSnapshot, with_calls
from threadmill_shared.events.decoder import Event

_RUN = "thread.run."
_STEP = "thread.run.step."
_MESSAGE = "thread.message."
_PARKED = "thread.run.requires_action"


class Entry:
    """What is open at a place in a run's log."""

    def __init__(self) -> None:
        self._run: Event | None = None
        """The last event about the run, but for the next one."""
        self._parked: Event | None = None
        """That it waits for outputs."""
        self._done: Event | None = None
        self._step: dict[str, Any] | None = None
        self._message: MessageSnapshot | None = None

    def add(self, event: Event) -> None:
        """Go on behind this event."""
        name, data = event.event, event.data
        if name.startswith(_STEP):
            self._add_step(name.removeprefix(_STEP), data)
        elif name.startswith(_MESSAGE):
            self._add_message(name.removeprefix(_MESSAGE), data)
        elif name == _PARKED:
            self._parked = event
        elif name.startswith(_RUN):
            self._run, self._parked = event, None
        elif name == "done":
            self._done = event

    def _add_step(self, what: str, data: dict[str, Any]) -> None:
        if what in ("created", "in_progress"):
            self._step = data
        elif what != "delta":
            self._step = None
        elif self._step is not None:
            self._step = with_calls(self._step, data["delta"]["step_details"]["tool_calls"])

    def _add_message(self, what: str, data: dict[str, Any]) -> None:
        if what in ("created", "in_progress"):
            self._message = MessageSnapshot(data)
        elif what != "delta":
            self._message = None
        elif self._message is not None:
            for part in data["delta"]["content"]:
                self._message.add(part)

    def events(self, number: int) -> Iterator[Event]:
        """What a stream begins with that goes on behind the event of this number."""
        if self._run is not None:
            yield Event(number, self._run.event, self._run.data)
        if self._step is not None:
            yield Event(number, f"{_STEP}created", self._step)
        if self._message is not None:
            yield Event(number, f"{_MESSAGE}created", self._message.fields())
        yield from filter(None, (self._parked, self._done))
