"""What cards are shown on: panels on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Protocol, TextIO
from weakref import WeakValueDictionary

from threadmill.printing.cards import Card
from threadmill.printing.plain_display import Lines
from threadmill.printing.screen import Screen
from threadmill.printing.stdout_capture import captured_stream
from threadmill.printing.turn_lock import Floor


class Sheet(Protocol):
    """Shows one card at a time, in order; what is finished stays."""

    def begin(self, card: Card) -> None:
        """The card is made from here on."""

    def update(self, card: Card) -> None:
        """Something was added to it."""

    def finish(self, card: Card) -> None:
        """It is as it is to stay; one that was not begun is shown whole."""

    def notice(self, text: str, *, is_bad: bool = False) -> None:
        """A line about the run itself."""

    def link(self, path: Path) -> None:
        """A file that is there now, by its whole path; an image is shown where that can be."""


def open_sheet() -> Sheet:
    """A sheet on what `sys.stdout` is now."""
    place = _place(captured_stream(sys.stdout))
    if isinstance(place, Floor):
        return Lines(place)
    # rich takes 80 ms to import, which only those pay who have a terminal.
    from threadmill.printing.terminal_display import Panels  # noqa: PLC0415

    return Panels(place)


Place = Floor | Screen

_places: WeakValueDictionary[tuple[int, bool], Place] = WeakValueDictionary()
"""Where sheets are open: those of one stream share its place."""
_lock = threading.Lock()


def _place(stream: TextIO | None) -> Place:
    is_terminal = _is_terminal(stream)
    # A place keeps its stream, whose id therefore belongs to no other one.
    key = id(stream), is_terminal
    with _lock:
        place = _places.get(key)
        if place is None:
            place = Screen(stream) if stream is not None and is_terminal else Floor(stream)
            _places[key] = place
        return place


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        is_terminal = stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False
    return is_terminal and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  the parent's may be held, by a thread that the child has not
    _lock = threading.Lock()
    for place in list(_places.values()):
        place.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
