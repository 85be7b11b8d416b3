"""Whether the model provider answers: the worker's log tells when it fails and when it recovers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from threadmill_shared import errors
from threadmill_shared.records.worker_state import NAMED_MODELS, ProviderCondition

logger = logging.getLogger("threadmill.worker")

LOG_PAUSE_SECONDS = 10.0
"""At least this long between two lines with one cause: it may refuse one request in a hundred."""
MODEL_LOG_PAUSE_SECONDS = 600.0
"""The same for a model that it does not have, although it answers requests for others."""
MISSING_SECONDS = 600.0
"""For how long a model is called missing after its last request."""

NO_SUCH_MODEL = 404
"""With this status it may refuse one assistant's model, and answer all others."""
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
        self._logged_at: dict[str, float] = {}
        """When a cause was logged last."""
        self._told: set[str] = set()
        """Causes that were logged since it fails."""
        self._failed = 0
        self.condition: ProviderCondition = "unknown"
        """Judged by the last request."""
        self.since = 0.0
        """Since when it is so, in seconds since the epoch; 0: it has not been asked yet."""
        self.cause: str | None = None
        """Why it is failing."""
        self.failed_at = 0.0
        """When the last request failed, in seconds since the epoch; 0: it is not failing."""
        self._missing_models: dict[str, float] = {}

    @property
    def missing_models(self) -> dict[str, int]:
        """Models that it does not have, and when it has said so last, in seconds since the epoch.

        Only of the last minutes: an assistant may have got another model since then.
        """
        known = self._missing_models
        for model in [one for one, at in known.items() if at < time.time() - MISSING_SECONDS]:
            del known[model]
        return {model: int(at) for model, at in list(known.items())[-NAMED_MODELS:]}

    def note_failure(self, run_id: str, error: errors.ModelError) -> None:
        """Take note of a request without an answer, or with one that cannot be used."""
        cause = error.cause or _UNSAID.get(type(error), type(error).__name__)
        self._note("failing", cause)
        if self._fails_anew(cause):
            logger.warning(
                "the provider %s is failing (%s), for %s among others; each request is retried up "
                "to THREADMILL_MODEL_RETRIES times",
                self._host,
                cause,
                run_id,
            )

    def note_refusal(self, run_id: str, error: errors.ModelError, *, model: str = "") -> None:
        """Take note of a request for a model that was refused: a wrong key fails others, too."""
        status = error.status if isinstance(error, errors.ModelRefused) else None
        if status not in REFUSALS:
            return
        if status == NO_SUCH_MODEL and model:
            self._missing_models.pop(model, None)
            self._missing_models[model] = time.time()
        cause, cure = REFUSALS[status]
        if self._refuses_anew(status, f"{cause} (HTTP {status})"):
            logger.warning(
                "the provider %s refuses requests (%s, HTTP %d), for %s among others; their runs "
                "fail: %s",
                self._host,
                cause,
                status,
                run_id,
                cure,
            )

    def _refuses_anew(self, status: int, cause: str) -> bool:
        """Judge it by a refusal; whether that is to be logged."""
        is_known = self.condition == "answering" or self.cause not in (None, cause)
        if status == NO_SUCH_MODEL and is_known:
            return self._is_due(cause, MODEL_LOG_PAUSE_SECONDS)
        self._note("failing", cause)
        return self._fails_anew(cause)

    def _fails_anew(self, cause: str) -> bool:
        """Count a failure; whether it is to be logged: the first one with each cause is."""
        self._failed += 1
        if cause in self._told or not self._is_due(cause, LOG_PAUSE_SECONDS):
            return False
        if self._failing_since is None:
            self._failing_since = self._clock()
            self._failed = 1
        self._told.add(cause)
        return True

    def _is_due(self, cause: str, pause: float) -> bool:
        now = self._clock()
        if now - self._logged_at.get(cause, float("-inf")) < pause:
            return False
        self._logged_at[cause] = now
        return True

    def note_beginning(self) -> None:
        """Take note that the answer to a request has begun."""
        self._note("answering", None)

    def note_answer(self, *, model: str = "") -> None:
        """Take note of a request for a model that was answered."""
        self._missing_models.pop(model, None)
        self._note("answering", None)
        if self._failing_since is not None:
            seconds = self._clock() - self._failing_since
            self._failing_since = None
            self._told.clear()
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
        self.failed_at = time.time() if condition == "failing" else 0.0
