"""Where cards are shown: as panels on a terminal, otherwise as plain lines."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Protocol, TextIO
from weakref import WeakValueDictionary

from threadmill.printing.cards import Card
from threadmill.printing.plain_display import PlainDisplay
from threadmill.printing.screen import Screen
from threadmill.printing.stdout_capture import original_stream
from threadmill.printing.turn_lock import TurnLock


class Display(Protocol):
    """Shows one card at a time, in order; finished cards stay."""

    def begin(self, card: Card) -> None:
        """A new card begins."""

    def update(self, card: Card) -> None:
        """Something was added to it."""

    def finish(self, card: Card) -> None:
        """It is complete; a card that was not begun is shown whole."""

    def notice(self, text: str, *, is_bad: bool = False) -> None:
        """A line about the run itself."""

    def link(self, path: Path) -> None:
        """A new file, by its whole path; an image is shown if the terminal can."""


def open_display() -> Display:
    """A display on the current `sys.stdout`."""
    output = _output(original_stream(sys.stdout))
    if isinstance(output, TurnLock):
        return PlainDisplay(output)
    # Importing rich takes 80 ms; only users with a terminal need it.
    from threadmill.printing.terminal_display import TerminalDisplay  # noqa: PLC0415

    return TerminalDisplay(output)


Output = TurnLock | Screen

_outputs: WeakValueDictionary[tuple[int, bool], Output] = WeakValueDictionary()
"""The output of displays: those of one stream share one."""
_lock = threading.Lock()


def _output(stream: TextIO | None) -> Output:
    is_terminal = _is_terminal(stream)
    # An output keeps its stream, whose id therefore belongs to no other one.
    key = id(stream), is_terminal
    with _lock:
        output = _outputs.get(key)
        if output is None:
            output = Screen(stream) if stream is not None and is_terminal else TurnLock(stream)
            _outputs[key] = output
        return output


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        is_terminal = stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False
    return is_terminal and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  the parent's may be held, by a thread that the child has not
    _lock = threading.Lock()
    for output in list(_outputs.values()):
        output.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
