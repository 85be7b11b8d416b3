"""What others print while a pane is shown: a tool's `print`, a warning."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, TextIO, cast

WriteLines = Callable[[TextIO, str], None]


class CapturedStream:
    """Stands in for `sys.stdout` or `sys.stderr`, and lets whole lines through above the pane.

    Written straight to the terminal they would land below the pane, which would then be repainted
    a line too low. Whoever keeps this object for longer than the pane lives writes straight on.
    """

    def __init__(self, stream: TextIO, lock: threading.RLock, write_lines: WriteLines) -> None:
        self.stream = stream
        self._lock = lock
        self._write_lines = write_lines
        self._line = ""
        """The beginning of a line that is not complete yet."""
        self._is_open = True

    def write(self, text: str) -> int:
        """Let complete lines through; keep the rest until its line is complete."""
        if not self._is_open:
            return self.stream.write(text)
        with self._lock:
            lines, line_end, self._line = (self._line + text).rpartition("\n")
            if line_end:
                self._write_lines(self.stream, lines + line_end)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Like `write`, for each of them."""
        for line in lines:
            self.write(line)

    def finish(self) -> None:
        """Let an incomplete line through as one of its own; then stand aside."""
        if self._line:
            self.write("\n")
        self.pass_on()

    def pass_on(self) -> None:
        """Write straight on from now on."""
        self._is_open = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def original_stream(stream: TextIO | CapturedStream | None) -> TextIO | None:
    """The stream itself, if a `CapturedStream` replaces it."""
    return stream.stream if isinstance(stream, CapturedStream) else stream


def capture(
    terminal: TextIO, lock: threading.RLock, write_lines: WriteLines
) -> list[CapturedStream]:
    """Replace `sys.stdout` and `sys.stderr`, if these are the terminal."""
    captured = []
    if sys.stdout is terminal:
        captured.append(CapturedStream(terminal, lock, write_lines))
        sys.stdout = cast("TextIO", captured[-1])
    stderr = original_stream(sys.stderr)
    if stderr is not None and stderr is sys.stderr and stderr.isatty():
        captured.append(CapturedStream(stderr, lock, write_lines))
        sys.stderr = cast("TextIO", captured[-1])
    return captured


def restore(captured: list[CapturedStream]) -> None:
    """Put the streams back, unless somebody put others there meanwhile."""
    for one in captured:
        one.pass_on()
        if sys.stdout is cast("TextIO", one):
            sys.stdout = one.stream
        if sys.stderr is cast("TextIO", one):
            sys.stderr = one.stream
