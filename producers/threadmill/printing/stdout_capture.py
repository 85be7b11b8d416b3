"""Output of others while a pane is shown, such as a tool's `print` or a warning."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, TextIO, cast

WriteLines = Callable[[TextIO, str], None]


class CapturedStream:
    """Replaces `sys.stdout` or `sys.stderr`, and passes complete lines on, above the pane.

    Written directly to the terminal, they would appear below the pane, which would then be
    repainted a line too low. If this object is used after the pane is gone, it writes directly.
    """

    def __init__(self, stream: TextIO, lock: threading.RLock, write_lines: WriteLines) -> None:
        self.stream = stream
        self._lock = lock
        self._write_lines = write_lines
        self._line = ""
        """The beginning of a line that is not complete yet."""
        self._is_open = True

    def write(self, text: str) -> int:
        """Pass complete lines on; keep the rest until its line is complete."""
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
        """Pass an incomplete line on as a separate line; then write directly."""
        if self._line:
            self.write("\n")
        self.pass_on()

    def pass_on(self) -> None:
        """Write directly from now on."""
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
    """Restore the streams, unless they were replaced in the meantime."""
    for one in captured:
        one.pass_on()
        if sys.stdout is cast("TextIO", one):
            sys.stdout = one.stream
        if sys.stderr is cast("TextIO", one):
            sys.stderr = one.stream
