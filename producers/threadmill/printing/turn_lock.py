"""Which display may write plain lines to a stream when several runs print at the same time."""

from __future__ import annotations

import threading
from typing import TextIO

from threadmill.printing.stream_writer import StreamWriter


class TurnLock:
    """Lets one display finish before the next one writes; the others' output is buffered."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        self._writer = StreamWriter(stream)
        self._lock = threading.Lock()
        self._holder: object = None
        self._waiting: dict[object, list[str]] = {}
        self._left: set[object] = set()
        """Waiting displays that have nothing to add."""

    def write(self, display: object, text: str) -> None:
        """Take the turn if it is free and write; otherwise buffer until it is free."""
        with self._lock:
            if self._holder is None:
                self._holder = display
            if self._holder is display:
                self._writer.write(text)
            else:
                self._waiting.setdefault(display, []).append(text)
                self._left.discard(display)

    def leave(self, display: object) -> None:
        """Pass the turn to the next display, which writes its buffered output."""
        with self._lock:
            if display in self._waiting:
                self._left.add(display)
            if self._holder is not display:
                return
            self._holder = None
            while self._waiting and self._holder is None:
                self._begin_next()

    def after_fork(self) -> None:
        """In a forked child, forget the parent's displays."""
        self._lock = threading.Lock()
        self._holder = None
        self._waiting.clear()
        self._left.clear()

    def _begin_next(self) -> None:
        display = next(iter(self._waiting))
        self._writer.write("".join(self._waiting.pop(display)))
        if display in self._left:
            self._left.discard(display)
        else:
            self._holder = display
