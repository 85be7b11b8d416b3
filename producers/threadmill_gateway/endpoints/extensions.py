"""What clients may say beyond OpenAI's API, in the body or in a header."""

from __future__ import annotations

from typing import Any, get_args

from threadmill_gateway.access.own_headers import APPROVALS
from threadmill_gateway.answers import refusals
from threadmill_gateway.bodies.extensions import RunExtension, WhenBusy
from threadmill_gateway.endpoints.call import Call
from threadmill_shared import ids
from threadmill_shared.records.texts import check_key
from threadmill_shared.records.thread import ThreadRef


def when_busy_of(call: Call, given: RunExtension | None) -> WhenBusy:
    """What is to happen if the thread has an active run; by default the run is refused.

    Raises:
        ApiError: the header says something else.
    """
    if given is not None and given.when_busy is not None:
        return given.when_busy
    word = call.exchange.headers.get("threadmill-when-busy", "reject").lower()
    known: dict[str, WhenBusy] = {word: word for word in get_args(WhenBusy)}
    if word in known:
        return known[word]
    raise refusals.invalid_header("Threadmill-When-Busy", get_args(WhenBusy))


def wants_approvals(call: Call) -> bool:
    """Whether the client is told of calls that wait for an approval, which others decide about."""
    return APPROVALS in call.exchange.headers


def context_of(call: Call, given: RunExtension | None) -> dict[str, Any] | None:
    """The caller's data for tools and templates, if the gateway takes it from clients.

    Raises:
        ApiError: it does not.
    """
    if given is None or given.context is None:
        return None
    if not call.gateway.options.takes_context:
        raise refusals.context_not_allowed()
    return given.context


def new_thread(
    call: Call,
    key: str | None,
    metadata: dict[str, str] | None,
    tool_resources: dict[str, Any] | None = None,
    *,
    bucket: str,
) -> ThreadRef:
    """A thread that may be created now, under the client's own name if there is one.

    Else it is in this bucket.

    Raises:
        CallerError: the key is not valid Unicode.
    """
    if key is None:
        id = ids.new_thread_id(bucket)
        return ThreadRef(id, create=True, metadata=metadata, tool_resources=tool_resources)
    check_key(key, "A thread's key")
    id = ids.keyed_thread_id(call.gateway.settings.namespace, key)
    return ThreadRef(id, create=True, metadata=metadata, key=key, tool_resources=tool_resources)
