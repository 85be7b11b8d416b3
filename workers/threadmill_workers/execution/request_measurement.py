"""Measures the model requests of a run, for the metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from threadmill_shared import errors
from threadmill_shared.model import Usage
from threadmill_workers.execution.refusal import may_be_of_history
from threadmill_workers.metrics.recorder import MetricsRecorder

_STATUSES = {401: "wrong_key", 402: "no_quota", 403: "no_right", 404: "no_model", 429: "no_quota"}
_CODES = {
    "invalid_api_key": "wrong_key",
    "insufficient_quota": "no_quota",
    "billing_hard_limit_reached": "no_quota",
    "model_not_found": "no_model",
}
"""What says most of the reason, also inside a stream or with another status."""


class RequestMeasurement:
    """Measures one request after the other, from when it is sent."""

    def __init__(self, metrics: MetricsRecorder, model: str) -> None:
        """No request was sent yet.

        Args:
            metrics: what takes note.
            model: the model that the run asks.
        """
        self._metrics = metrics
        self._model = model
        self._begun_at = 0.0
        self._is_answered = False

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count one request by how it ends; it is sent now."""
        self._begun_at, self._is_answered = time.monotonic(), False
        try:
            yield
        except BaseException as error:
            if not self._is_answered:
                self._metrics.note_request(self._model, request_outcome(error))
            raise

    def note_first_piece(self) -> None:
        """Take note that the answer has begun to arrive."""
        self._metrics.note_first_piece(time.monotonic() - self._begun_at)

    def note_answer(self, usage: Usage) -> None:
        """Take note that the answer is complete."""
        self._is_answered = True
        self._metrics.note_request(self._model, "answered")
        self._metrics.note_tokens(self._model, usage)

    def note_retry(self, error: errors.ModelError) -> None:
        """Take note that another request follows one that ended with this error."""
        self._metrics.note_retry(request_outcome(error))


def request_outcome(error: BaseException) -> str:
    """How a request has ended that ended with an error, in a word."""
    match error:
        case errors.ModelUnavailable(rate_limited=True):
            return "rate_limited"
        case errors.ModelUnavailable():
            return "unavailable"
        case errors.ModelGarbled():
            return "garbled"
        case errors.ContextTooLong():
            return "too_long"
        case errors.ModelError():
            return _refused_outcome(error)
        case _:  # the run was cancelled, is over its time, or is no longer this worker's
            return "interrupted"


def _refused_outcome(error: errors.ModelError) -> str:
    if not isinstance(error, errors.ModelRefused) or may_be_of_history(error):
        return "refused"
    return _CODES.get(error.code) or _STATUSES.get(error.status or 0, "refused")
