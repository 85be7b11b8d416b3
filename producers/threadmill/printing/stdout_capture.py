"""What others print while a pane is shown: a tool's `print`, a warning."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, TextIO, cast

LetThrough = Callable[[TextIO, str], None]


class Passage:
    """Stands in for `sys.stdout` or `sys.stderr`, and lets whole lines through above the pane.

    Written straight to the terminal they would land below the pane, which would then be repainted
    a line too low. Whoever keeps this object for longer than the pane lives writes straight on.
    """

    def __init__(self, stream: TextIO, lock: threading.RLock, let_through: LetThrough) -> None:
        self.stream = stream
        self._lock = lock
        self._let_through = let_through
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
                self._let_through(self.stream, lines + line_end)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Like `write`, for each of them."""
        for line in lines:
            self.write(line)

    def finish(self) -> None:
        """Let an incomplete line through as one of its own; then stand aside."""
        if self._line:
            self.write("\n")
        self.stand_aside()

    def stand_aside(self) -> None:
        """Write straight on from now on."""
        self._is_open = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def captured_stream(stream: TextIO | Passage | None) -> TextIO | None:
    """The stream itself, where a passage stands in for it."""
    return stream.stream if isinstance(stream, Passage) else stream


def stand_in(terminal: TextIO, lock: threading.RLock, let_through: LetThrough) -> list[Passage]:
    """Put passages in place of `sys.stdout` and `sys.stderr`, where these are the terminal."""
    passages = []
    if sys.stdout is terminal:
        passages.append(Passage(terminal, lock, let_through))
        sys.stdout = cast("TextIO", passages[-1])
    stderr = captured_stream(sys.stderr)
    if stderr is not None and stderr is sys.stderr and stderr.isatty():
        passages.append(Passage(stderr, lock, let_through))
        sys.stderr = cast("TextIO", passages[-1])
    return passages


def give_back(passages: list[Passage]) -> None:
    """Put the streams back, unless somebody put others there meanwhile."""
    for passage in passages:
        passage.stand_aside()
        if sys.stdout is cast("TextIO", passage):
            sys.stdout = passage.stream
        if sys.stderr is cast("TextIO", passage):
            sys.stderr = passage.stream
