"""Whether the model provider answers: the worker's log tells when it fails and when it recovers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

logger = logging.getLogger("threadmill.worker")

LOG_PAUSE_SECONDS = 10.0
"""At least this long between two lines that it fails: it may refuse one request in a hundred."""


class ProviderHealth:
    """What a process knows of its provider from the requests of all its runs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """It has not been asked yet."""
        self._clock = clock
        self._failing_since: float | None = None
        self._logged_at = float("-inf")
        self._failed = 0

    def note_failure(self, run_id: str, error: Exception) -> None:
        """Take note of a request without an answer, or with one that cannot be used."""
        now = self._clock()
        self._failed += 1
        if self._failing_since is None and now - self._logged_at >= LOG_PAUSE_SECONDS:
            self._failing_since = self._logged_at = now
            self._failed = 1
            logger.warning(
                "the provider is failing (%s), for %s among others; each request is retried up to "
                "THREADMILL_MODEL_RETRIES times",
                type(error).__name__,
                run_id,
            )

    def note_answer(self) -> None:
        """Take note of a request that was answered."""
        if self._failing_since is not None:
            seconds = self._clock() - self._failing_since
            self._failing_since = None
            logger.warning(
                "the provider answers again, after %d failed requests in %.0f s",
                self._failed,
                seconds,
            )
