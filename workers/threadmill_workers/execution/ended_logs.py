"""The runs whose logs are to be compacted: this worker has ended them, or has reported their ends.

Nobody else knows them, so a process that ends leaves as they are those of its last half minute. An
index of them in Redis would take room for every run.
"""

from __future__ import annotations

import time
from collections import deque

QUIET_SECONDS = 30.0
"""After a run's end: who follows it reads the end of its log first."""
_MOST = 10_000


class EndedLogs:
    """Remembers runs for a while after their ends."""

    def __init__(self) -> None:
        """None has ended."""
        self._ended: deque[tuple[float, str]] = deque(maxlen=_MOST)

    def note(self, run_id: str) -> None:
        """A run has ended now."""
        self._ended.append((time.monotonic(), run_id))

    def take(self, most: int) -> list[str]:
        """Take at most so many runs that have ended a while ago."""
        found: list[str] = []
        until = time.monotonic() - QUIET_SECONDS
        while self._ended and self._ended[0][0] <= until and len(found) < most:
            found.append(self._ended.popleft()[1])
        return found
