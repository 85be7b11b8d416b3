"""Who may write a stream of plain lines now, when several runs print at the same time."""

from __future__ import annotations

import threading
from typing import TextIO

from threadmill.printing.stream_writer import Outlet


class Floor:
    """Lets one speaker finish before the next one is heard; what the others say is kept."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        self._outlet = Outlet(stream)
        self._lock = threading.Lock()
        self._holder: object = None
        self._waiting: dict[object, list[str]] = {}
        self._left: set[object] = set()
        """Those of the waiting who have nothing to add."""

    def write(self, speaker: object, text: str) -> None:
        """Take the floor if it is free; write, or be kept until it is."""
        with self._lock:
            if self._holder is None:
                self._holder = speaker
            if self._holder is speaker:
                self._outlet.write(text)
            else:
                self._waiting.setdefault(speaker, []).append(text)
                self._left.discard(speaker)

    def leave(self, speaker: object) -> None:
        """Give the floor to the next one; a speaker that is kept is heard in its turn."""
        with self._lock:
            if speaker in self._waiting:
                self._left.add(speaker)
            if self._holder is not speaker:
                return
            self._holder = None
            while self._waiting and self._holder is None:
                self._hear_next()

    def after_fork(self) -> None:
        """Forget, in a forked child, the speakers of its parent."""
        self._lock = threading.Lock()
        self._holder = None
        self._waiting.clear()
        self._left.clear()

    def _hear_next(self) -> None:
        speaker = next(iter(self._waiting))
        self._outlet.write("".join(self._waiting.pop(speaker)))
        if speaker in self._left:
            self._left.discard(speaker)
        else:
            self._holder = speaker
