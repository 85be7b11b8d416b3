"""From errors of threadmill to those that the API answers."""

from __future__ import annotations

from collections.abc import Callable

from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.api_error import ApiError
from threadmill_shared import errors
from threadmill_shared.run_request import OptionError

_FAILED = "The server had an error processing your request"
"""Programs look for these words, and try again."""


def api_error(error: Exception) -> ApiError | None:
    """What a client is told of an error; None: it is a fault of the gateway.

    Endpoints translate what they expect, with the ids as the client wrote them; what is left comes
    here.
    """
    if isinstance(error, ApiError):
        return error
    for kind, make in _ANSWERS:
        if isinstance(error, kind):
            return make(error)
    return None


def _store_full(_error: Exception) -> ApiError:
    return refusals.unavailable(
        f"{_FAILED}: its store is full. Try again later; an operator must give Redis more memory."
    )


def _store_unavailable(_error: Exception) -> ApiError:
    return refusals.unavailable(f"{_FAILED}: its store cannot be reached. Try again later.")


def _not_found(error: Exception) -> ApiError:
    return ApiError(404, str(error))


def _invalid(error: Exception) -> ApiError:
    return ApiError(400, str(error))


_ANSWERS: list[tuple[type[Exception], Callable[[Exception], ApiError]]] = [
    (errors.ThreadFull, lambda error: refusals.too_much(f"Rate limit: {error}")),
    (errors.IdempotencyMismatch, lambda error: refusals.other_content(str(error))),
    (errors.TooLarge, lambda error: refusals.too_large(str(error))),
    (errors.Unsupported, lambda error: refusals.unsupported(str(error))),
    (errors.AssistantNotFound, _not_found),
    (errors.ThreadNotFound, _not_found),
    (errors.RunNotFound, _not_found),
    (errors.EventsExpired, lambda error: refusals.events_expired(str(error))),
    (errors.CallerError, _invalid),
    (OptionError, refusals.invalid_option),
    (errors.StoreFull, _store_full),
    (errors.StoreUnavailable, _store_unavailable),
    (errors.InfrastructureError, lambda error: refusals.unavailable(f"{_FAILED}: {error}")),
]
"""The first that fits counts."""
