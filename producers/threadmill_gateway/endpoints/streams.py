"""Answering with a run's stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from starlette.requests import Request

from threadmill_gateway.answers import refusals
from threadmill_gateway.endpoints.call import Call
from threadmill_gateway.endpoints.extensions import wants_approvals
from threadmill_gateway.streams import frames
from threadmill_gateway.streams.event_filter import EventFilter
from threadmill_gateway.streams.response import StreamResponse
from threadmill_gateway.streams.run_stream import RunStream


async def follow_run(request: Request) -> StreamResponse:
    """A run's events: behind the number that the client names, else from where the run is now."""
    call = Call(request)
    thread_id, record = await call.run()
    after = _cursor(request)
    if after is not None and after > record.events:
        raise refusals.unknown_event(after, record.events)
    with stream_slot(call, is_wanted=True):
        if after is None:
            return await stream_run(call, record.id, thread_id, enters_behind=record.events)
        return await stream_run(call, record.id, thread_id, after=after, continues=True)


@contextmanager
def stream_slot(call: Call, *, is_wanted: bool) -> Iterator[None]:
    """Take a slot for a stream before anything is written; an error in the block gives it back.

    Raises:
        ApiError: too many streams are open.
    """
    streams = call.gateway.streams
    if is_wanted:
        streams.take()
    try:
        yield
    except BaseException:
        if is_wanted:
            streams.give_back()
        raise


async def stream_run(
    call: Call,
    run_id: str,
    thread_id: str,
    *,
    after: int = 0,
    continues: bool = False,
    enters_behind: int | None = None,
    first: Sequence[tuple[str, object]] = (),
) -> StreamResponse:
    """The run's events behind a number; the caller has taken a slot, which the stream gives back.

    Args:
        call: the request.
        run_id: the run.
        thread_id: its thread, as the client knows it.
        after: number of the last event that the client has.
        continues: whether the client knows what was created up to there.
        enters_behind: instead, enter behind this event, with what is open there.
        first: events that come before the run's.

    Raises:
        ThreadmillError: the stream cannot begin; the slot is still the caller's.
    """
    gateway = call.gateway
    tail = await call.connections.log_follower.tail(run_id, after)
    call.exchange.give_slot_back()
    stream = RunStream(
        tail,
        event_filter=EventFilter(
            has_own=_wants_own(call.request),
            has_approvals=wants_approvals(call),
            continues=continues,
        ),
        enters_behind=enters_behind,
        thread_id=thread_id,
        is_ending=lambda: gateway.is_ending,
        first=b"".join(frames.frame(*one) for one in first),
        on_end=gateway.streams.give_back,
    )
    try:
        await stream.begin()
    except BaseException:
        await tail.close()
        raise
    return StreamResponse(stream)


def _cursor(request: Request) -> int | None:
    """The number of the last event that the client has; None: it names none.

    Raises:
        ApiError: it is not a number.
    """
    query = request.query_params.get("starting_after")
    given = request.headers.get("last-event-id") if query is None else query
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 16):
        raise refusals.invalid_cursor(given[:64])
    return int(given)


def _wants_own(request: Request) -> bool:
    return request.headers.get("threadmill-events", "").lower() == "all"
