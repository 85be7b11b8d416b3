"""A terminal: final lines, and below them at most one pane of lines that still change."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Sequence
from typing import TextIO

from threadmill.printing import stdout_capture
from threadmill.printing.stream_writer import StreamWriter

# During a paint the cursor is hidden, and a line that the terminal considers longer is cut, not
# wrapped: so the line count is right however the terminal measures an emoji.
_BEGIN = "\x1b[?25l\x1b[?7l\r"
_END = "\x1b[?7h\x1b[?25h"
_ERASE_LINE = "\x1b[2K"
_ERASE_BELOW = "\x1b[J"


class Screen:
    """One terminal of this process, shared by all that print to it.

    The pane is never taller than the terminal, so all of it can be repainted; what has scrolled
    away was final before. Only lines that differ are written, in one write, so nothing flickers.
    (`rich.live` erases and rewrites all, and shows the beginning of what is too tall, not its end.)
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._writer = StreamWriter(stream)
        self._lock = threading.RLock()
        self._owner: object = None
        self._shown: list[str] = []
        """The pane; the cursor is at the beginning of the line below it."""
        self._size = os.terminal_size((0, 0))
        """The terminal's size when the pane was painted."""
        self._captured: list[stdout_capture.CapturedStream] = []

    def size(self) -> os.terminal_size:
        """The terminal's columns and lines now."""
        try:
            found = os.get_terminal_size(self.stream.fileno())
        except (OSError, ValueError):
            found = os.terminal_size((0, 0))
        return found if all(found) else shutil.get_terminal_size()

    def claim(self, owner: object) -> bool:
        """Whether the pane is the owner's; it becomes the owner's if it is free."""
        with self._lock:
            if self._owner is None:
                self._owner = owner
                self._captured = stdout_capture.capture(self.stream, self._lock, self._write_above)
            return self._owner is owner

    def paint(self, settled: Sequence[str], pane: Sequence[str]) -> None:
        """Add final lines, and show the pane's new lines below them.

        The lines must fit the terminal's width, and the pane its height but one.
        """
        with self._lock:
            size = self.size()
            lines = [*settled, *pane]
            if size == self._size:
                same = _in_common(self._shown, lines)
                erase = len(lines) < len(self._shown)
                self._write(len(self._shown) - same, lines[same:], erase=erase)
            else:
                self._write(self._rows(size), lines, erase=True)
            self._shown, self._size = list(pane), size

    def add_lines(self, lines: Sequence[str]) -> None:
        """Add final lines, above the pane if there is one."""
        with self._lock:
            self.paint(lines, self._shown)

    def draw(self, commands: str) -> None:
        """Write a picture; skipped while a pane is shown, which it would scramble."""
        with self._lock:
            if self._owner is None:
                self._writer.write(commands)

    def release(self, owner: object, lines: Sequence[str]) -> None:
        """Add the final lines of the owner's pane, and free it for others."""
        with self._lock:
            if self._owner is not owner:
                self.add_lines(lines)
                return
            for one in self._captured:
                one.finish()
            self.paint(lines, [])
            self._owner = None
            stdout_capture.restore(self._captured)
            self._captured = []

    def after_fork(self) -> None:
        """Leave the pane, in a forked child, to its parent."""
        self._lock = threading.RLock()
        self._owner = None
        self._shown = []
        stdout_capture.restore(self._captured)

    def _rows(self, size: os.terminal_size) -> int:
        # A terminal that became narrower has wrapped the lines, each of which was as wide as it.
        rows_per_line = -(-self._size.columns // size.columns)
        return min(len(self._shown) * rows_per_line, size.lines - 1)

    def _write(self, up: int, lines: Sequence[str], *, erase: bool) -> None:
        if not up and not lines:
            return
        # Below no pane the cursor may stand behind a line that somebody left incomplete. Spaces up
        # to the last column but one end that line, and change nothing where there is none.
        fresh = "" if self._shown else f"{' ' * (self.size().columns - 1)}\r"
        moved = f"\x1b[{up}A" if up else ""
        written = "".join(f"{_ERASE_LINE}{line}\r\n" for line in lines)
        below = _ERASE_BELOW if erase else ""
        self._writer.write(f"{fresh}{_BEGIN}{moved}{written}{below}{_END}")

    def _write_above(self, stream: TextIO, text: str) -> None:
        with self._lock:
            pane = self._shown
            self.paint([], [])
            stream.write(text)
            stream.flush()
            self.paint([], pane)


def _in_common(old: Sequence[str], new: Sequence[str]) -> int:
    """How many lines both begin with."""
    for index, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other:
            return index
    return min(len(old), len(new))
