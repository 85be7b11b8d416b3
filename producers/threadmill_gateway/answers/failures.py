"""From errors of threadmill to those that the API answers."""

from __future__ import annotations

from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.api_error import INVALID, ApiError
from threadmill_shared import errors


def api_error(error: Exception) -> ApiError | None:
    """What a client is told of an error; None: it is a fault of the gateway.

    Endpoints translate what they expect with the ids as the client wrote them; what is left comes here.
    """
    match error:
        case ApiError():
            return error
        case errors.ThreadFull():
            return refusals.too_much(f"Rate limit: {error}")
        case errors.IdempotencyMismatch():
            return ApiError(422, str(error), code="idempotency_mismatch")
        case errors.TooLarge():
            return ApiError(400, str(error), code="string_above_max_length")
        case errors.Unsupported():
            return refusals.unsupported(str(error))
        case errors.AssistantNotFound() | errors.ThreadNotFound() | errors.RunNotFound():
            return ApiError(404, str(error))
        case errors.EventsExpired():
            return ApiError(410, str(error), code="events_expired")
        case errors.CallerError():
            return ApiError(400, str(error), type=INVALID)
        case errors.StoreFull():
            return refusals.unavailable(
                "The server had an error processing your request: its store is full. Try again "
                "later; an operator must give Redis more memory."
            )
        case errors.StoreUnavailable():
            return refusals.unavailable(
                "The server had an error processing your request: its store cannot be reached. "
                "Try again later."
            )
        case errors.InfrastructureError():
            return refusals.unavailable(str(error))
        case _:
            return None
