"""Something that fails, is tried again and again, and works again: when to log it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from threadmill_shared.servers.failures import find_failure
from threadmill_shared.servers.tls import explain


def describe_failure(error: BaseException) -> str:
    """Say why a server could not be used and, if TLS is the reason, what helps."""
    return explain(error) or find_failure(error).cause


class Trouble:
    """Tells the first failure from the ones that follow, and the end; of use in any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """There is none yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._since: float | None = None
        self._is_told = False
        self.failures = 0
        """How many there have been since it began."""

    def note_failure(self, *, after: float = 0.0) -> bool:
        """Take note of a failure.

        Args:
            after: seconds that the trouble may last without being told.

        Returns:
            Whether it is to be told now, which is the case once in each trouble.
        """
        with self._lock:
            if self._since is None:
                self._since, self.failures = self._clock(), 0
            self.failures += 1
            if self._is_told or self._clock() - self._since < after:
                return False
            self._is_told = True
            return True

    def note_success(self) -> float | None:
        """Take note that it works.

        Returns:
            Seconds that the trouble has lasted, if it was told and is over now; else None.
        """
        if self._since is None:
            return None
        with self._lock:
            since, self._since = self._since, None
            was_told, self._is_told = self._is_told, False
            return self._clock() - since if was_told and since is not None else None
