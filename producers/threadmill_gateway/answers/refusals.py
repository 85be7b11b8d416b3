"""The errors that the API answers, in the words that programs look for.

Programs compare these texts and take ids out of them, so each is fixed letter by letter.
"""

from __future__ import annotations

from collections.abc import Sequence

from threadmill_gateway.answers.api_error import ApiError

RETRY_MS = 1000
"""After which a client is told to try again."""
_RETRY = {"retry-after-ms": str(RETRY_MS), "retry-after": str(RETRY_MS // 1000)}


# ---- what does not exist -------------------------------------------------------------------------


def not_found(kind: str, id: str) -> ApiError:
    """There is no thread, run, message, assistant or step with this id."""
    return ApiError(404, f"No {kind} found with id '{id}'.")


def no_file(id: str) -> ApiError:
    """There is no file with this id."""
    return ApiError(404, f"No such File object: {id}", param="id")


def no_route(method: str, path: str) -> ApiError:
    """The API has no such call."""
    return ApiError(404, f"Invalid URL ({method} {path})")


def no_method(method: str, path: str) -> ApiError:
    """The call exists, but not with this method."""
    return ApiError(405, f"Not allowed to {method} on {path}.", code="method_not_supported")


def invalid_id(param: str, id: str, prefix: str) -> ApiError:
    """The id has the form of another kind of object, or of none."""
    return ApiError(
        400,
        f"Invalid '{param}': '{id}'. Expected an ID that begins with '{prefix}'.",
        param=param,
        code="invalid_value",
    )


# ---- what a thread or a run does not allow now ---------------------------------------------------


def thread_has_active_run(thread_id: str, run_id: str) -> ApiError:
    """A run cannot be created while another one is active."""
    return ApiError(400, f"Thread {thread_id} already has an active run {run_id}.")


def thread_takes_no_messages(thread_id: str, run_id: str) -> ApiError:
    """A message cannot be added while a run is active."""
    return ApiError(400, f"Can't add messages to {thread_id} while a run {run_id} is active.")


def thread_is_in_use(thread_id: str, run_id: str, what: str) -> ApiError:
    """Something cannot be deleted while a run is active."""
    return ApiError(400, f"Can't delete {what} {thread_id} while a run {run_id} is active.")


def run_takes_no_outputs(status: str) -> ApiError:
    """The run does not wait for outputs."""
    return ApiError(400, f'Runs in status "{status}" do not accept tool outputs.')


def outputs_do_not_fit(expected: Sequence[str], given: Sequence[str]) -> ApiError:
    """The outputs are not those of the calls that wait."""
    return ApiError(400, f"Expected tool outputs for call_ids {list(expected)}, got {list(given)}")


def outputs_given_twice(given: Sequence[str]) -> ApiError:
    """One call has two outputs."""
    return ApiError(400, f"Duplicate call_ids submitted: {list(given)}")


def run_cannot_be_cancelled(status: str) -> ApiError:
    """The run has ended, or is being cancelled."""
    return ApiError(400, f"Cannot cancel run with status '{status}'.")


# ---- access and limits ---------------------------------------------------------------------------


def no_key() -> ApiError:
    """The request has no API key."""
    return ApiError(
        401,
        "You didn't provide an API key. Send the value of THREADMILL_API_KEY in the header "
        "Authorization: Bearer, or in the header api-key.",
        code="invalid_api_key",
        headers={"www-authenticate": "Bearer"},
    )


def wrong_key() -> ApiError:
    """The API key is not the gateway's. It is not repeated: it may be that of another service."""
    return ApiError(
        401,
        "Incorrect API key provided. It must be the value of THREADMILL_API_KEY of this gateway.",
        code="invalid_api_key",
        headers={"www-authenticate": "Bearer"},
    )


def forbidden(message: str, code: str) -> ApiError:
    """The gateway is not open to requests of this kind."""
    return ApiError(403, message, code=code)


def too_much(message: str) -> ApiError:
    """A limit is reached; later there may be room."""
    return ApiError(429, message, type="rate_limit_error", headers=_RETRY)


def unavailable(message: str) -> ApiError:
    """Redis is away or full."""
    return ApiError(503, message, type="server_error", headers=_RETRY)


def internal_error() -> ApiError:
    """The gateway has failed. Programs look for the words."""
    return ApiError(
        500,
        "The server had an error processing your request. The gateway's log has the cause under "
        "the request's id.",
        type="server_error",
    )


# ---- bodies --------------------------------------------------------------------------------------


def body_is_no_json() -> ApiError:
    """The body cannot be parsed."""
    return ApiError(
        400,
        "We could not parse the JSON body of your request. The body must be a JSON object, in "
        "UTF-8.",
        code="invalid_json",
    )


def body_is_no_form() -> ApiError:
    """The body of an upload cannot be parsed."""
    return ApiError(
        400,
        "We could not parse the form of your request. An upload must be multipart/form-data, with "
        "the fields file and purpose.",
        code="invalid_form",
    )


def missing(param: str) -> ApiError:
    """A part of the request is missing."""
    return ApiError(
        400,
        f"Missing required parameter: '{param}'.",
        param=param,
        code="missing_required_parameter",
    )


def file_is_too_large(size: int, most: int) -> ApiError:
    """The file is larger than threadmill takes."""
    return ApiError(
        413,
        f"The file has at least {size} bytes; {most} are allowed (THREADMILL_FILE_BYTES).",
        param="file",
        code="file_too_large",
    )


def body_is_too_large(most: int) -> ApiError:
    """The body is larger than the gateway takes."""
    return ApiError(
        413,
        f"The request is too large: at most {most} bytes are allowed "
        "(THREADMILL_GATEWAY_BODY_BYTES).",
        code="request_too_large",
    )


def media_type_is_not_json(given: str) -> ApiError:
    """The content type is not JSON's."""
    return ApiError(
        415,
        f"Unsupported content type '{given}'. This call expects application/json.",
        code="unsupported_content_type",
    )


def invalid_header(name: str, known: Sequence[str]) -> ApiError:
    """A header of threadmill's own has another value than it may have."""
    words = ", ".join(known)
    return ApiError(
        400,
        f"Invalid header {name}. Supported values are: {words}.",
        param=name.lower(),
        code="invalid_value",
    )


def call_waits_for_no_approval(call_id: str) -> ApiError:
    """Somebody else has decided, or the run has gone on, or there is no such call."""
    return ApiError(
        400,
        f"The call {call_id} is not waiting for an approval.",
        param="tool_call_id",
        code="invalid_value",
    )


def call_was_decided(call_id: str) -> ApiError:
    """The call was rejected before, for another reason."""
    return ApiError(
        400,
        f"The call {call_id} was already rejected, for another reason.",
        param="tool_call_id",
        code="invalid_value",
    )


def reason_is_too_long(size: int, most: int) -> ApiError:
    """The reason of a rejection is longer than messages may be."""
    return ApiError(
        400,
        f"Invalid 'reason': {size} bytes in UTF-8; at most {most} are allowed "
        "(THREADMILL_MAX_MESSAGE_BYTES).",
        param="reason",
        code="string_above_max_length",
    )


def context_not_allowed() -> ApiError:
    """Clients must not say who the user is."""
    return ApiError(
        403,
        "This gateway takes no context from clients, since tools read from it who the user is. "
        "Its operator allows it with THREADMILL_GATEWAY_CONTEXT=1.",
        param="threadmill.context",
        code="context_not_allowed",
    )


def invalid_option(error: Exception) -> ApiError:
    """An option of the run cannot have this value."""
    return ApiError(400, str(error), code="invalid_value")


def too_large(message: str) -> ApiError:
    """A text exceeds one of threadmill's own limits."""
    return ApiError(400, message, code="string_above_max_length")


def other_content(message: str) -> ApiError:
    """The idempotency key was used before with another body; not 409, which SDKs repeat."""
    return ApiError(422, message, code="idempotency_mismatch")


def events_expired(message: str) -> ApiError:
    """The events are past their lifetime."""
    return ApiError(410, message, code="events_expired")


def unknown_cursor(param: str, given: Sequence[str]) -> ApiError:
    """A list is to begin or end at an object that it does not have."""
    ids = " or ".join(f"'{id[:100]}'" for id in given)
    return ApiError(
        400,
        f"Invalid '{param}': the list has no object with the id {ids}.",
        param=param,
        code="invalid_value",
    )


def invalid_cursor(given: str) -> ApiError:
    """What is to be the number of an event is none."""
    return ApiError(
        400,
        f"Invalid 'starting_after': '{given}'. Expected the number of an event, as a stream's id "
        "lines have it.",
        param="starting_after",
        code="invalid_value",
    )


def unknown_event(given: int, last: int) -> ApiError:
    """The run has no event of this number (yet, or any more)."""
    return ApiError(
        400,
        f"Invalid 'starting_after': the run's last event is {last}, not {given}. If there was one, "
        "the store has lost it: follow the run without a cursor.",
        param="starting_after",
        code="invalid_value",
    )


def unsupported(message: str, param: str | None = None) -> ApiError:
    """The gateway cannot do that; not 501, since SDKs repeat what fails with 500 or more."""
    return ApiError(400, message, param=param, code="unsupported")


def wrong_beta(given: str) -> ApiError:
    """The client speaks another version of the API."""
    return ApiError(
        400,
        f"The version '{given}' of the Assistants API is not supported. Set the header "
        "OpenAI-Beta: assistants=v2.",
        code="invalid_beta",
    )
