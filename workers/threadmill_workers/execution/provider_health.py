"""Whether the model provider answers: the worker's log tells when it fails and when it recovers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from threadmill_shared import errors
from threadmill_shared.records.worker_state import ProviderCondition

logger = logging.getLogger("threadmill.worker")

LOG_PAUSE_SECONDS = 10.0
"""At least this long between two lines that it fails: it may refuse one request in a hundred."""

REFUSALS = {
    401: ("the key is wrong", "check OPENAI_API_KEY"),
    402: ("no quota is left", "check the account's billing"),
    403: ("the key does not allow it", "check what OPENAI_API_KEY may do"),
    404: ("no such model or address", "check the model's name and OPENAI_BASE_URL"),
    429: ("no quota is left", "check the account's billing"),
}
"""HTTP statuses of a refusal of the account, its key or the model, and not of what was sent."""

_UNSAID: dict[type[Exception], str] = {
    errors.ModelUnavailable: "it does not answer",
    errors.ModelGarbled: "its response cannot be read",
}
"""Causes of errors that have none."""


class ProviderHealth:
    """What a process knows of its provider from the requests of all its runs."""

    def __init__(self, host: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        """It has not been asked yet; `host` is where it is."""
        self._host = host or "(no host)"
        self._clock = clock
        self._failing_since: float | None = None
        self._logged_at = float("-inf")
        self._failed = 0
        self.condition: ProviderCondition = "unknown"
        """Judged by the last request."""
        self.since = 0.0
        """Since when it is so, in seconds since the epoch; 0: it has not been asked yet."""
        self.cause: str | None = None
        """Why it is failing."""

    def note_failure(self, run_id: str, error: errors.ModelError) -> None:
        """Take note of a request without an answer, or with one that cannot be used."""
        cause = error.cause or _UNSAID.get(type(error), type(error).__name__)
        self._note("failing", cause)
        if self._begins_to_fail():
            logger.warning(
                "the provider %s is failing (%s), for %s among others; each request is retried up "
                "to THREADMILL_MODEL_RETRIES times",
                self._host,
                cause,
                run_id,
            )

    def note_refusal(self, run_id: str, error: errors.ModelError) -> None:
        """Take note of a request that was refused: a wrong key or model fails all others, too."""
        status = error.status if isinstance(error, errors.ModelRefused) else None
        if status not in REFUSALS:
            return
        cause, cure = REFUSALS[status]
        self._note("failing", f"{cause} (HTTP {status})")
        if self._begins_to_fail():
            logger.warning(
                "the provider %s refuses requests (%s, HTTP %d), for %s among others; their runs "
                "fail: %s",
                self._host,
                cause,
                status,
                run_id,
                cure,
            )

    def _begins_to_fail(self) -> bool:
        """Count a failure; whether it is to be logged."""
        now = self._clock()
        self._failed += 1
        if self._failing_since is not None or now - self._logged_at < LOG_PAUSE_SECONDS:
            return False
        self._failing_since = self._logged_at = now
        self._failed = 1
        return True

    def note_answer(self) -> None:
        """Take note of a request that was answered."""
        self._note("answering", None)
        if self._failing_since is not None:
            seconds = self._clock() - self._failing_since
            self._failing_since = None
            logger.warning(
                "the provider %s answers again, after %d failed requests in %.0f s",
                self._host,
                self._failed,
                seconds,
            )

    def _note(self, condition: ProviderCondition, cause: str | None) -> None:
        if condition != self.condition:
            self.condition, self.since = condition, time.time()
        self.cause = cause
