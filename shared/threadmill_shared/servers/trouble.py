"""Something that fails, is tried again and again, and works again: when to log it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from threadmill_shared.servers.failures import find_failure
from threadmill_shared.servers.tls import explain

OTHER_CAUSE_SECONDS = 10.0
"""A trouble may have another cause than the first for so long before it is told, too. A server that
is started again, for example, refuses connections first, and then loads its data."""


def describe_failure(error: BaseException) -> str:
    """Say why a server could not be used and, if TLS is the reason, what helps."""
    return explain(error) or find_failure(error).cause


class Trouble:
    """Tells the first failure from the ones that follow, and the end; of use in any thread.

    If it goes on for another cause, this is told, too: a server that was down may reject the
    password when it is back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """There is none yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._since: float | None = None
        self._told: set[str] = set()
        """The causes that were told."""
        self._cause = ""
        self._cause_since = 0.0
        self.failures = 0
        """How many there have been since it began."""

    @property
    def is_on(self) -> bool:
        """Whether something has failed, and not worked since."""
        return self._since is not None

    def note_failure(self, cause: str = "", *, after: float = 0.0) -> bool:
        """Take note of a failure.

        Args:
            cause: why it has failed.
            after: seconds that the trouble may last without being told.

        Returns:
            Whether it is to be told now, which is the case once in each trouble for its first
            cause, and once for each other one that lasts.
        """
        with self._lock:
            now = self._clock()
            if self._since is None:
                self._since, self.failures = now, 0
            self.failures += 1
            if self.failures == 1 or cause != self._cause:
                self._cause, self._cause_since = cause, now
            if cause in self._told or not self._is_due(now, after):
                return False
            self._told.add(cause)
            return True

    def _is_due(self, now: float, after: float) -> bool:
        if self._told:
            return now - self._cause_since >= OTHER_CAUSE_SECONDS
        return self._since is not None and now - self._since >= after

    def note_success(self) -> float | None:
        """Take note that it works.

        Returns:
            Seconds that the trouble has lasted, if it was told and is over now; else None.
        """
        if self._since is None:
            return None
        with self._lock:
            since, self._since = self._since, None
            was_told = bool(self._told)
            self._told.clear()
            return self._clock() - since if was_told and since is not None else None
