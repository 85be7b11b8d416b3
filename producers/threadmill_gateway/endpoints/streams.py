"""Answering with a run's stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from threadmill_gateway.endpoints.call import Call
from threadmill_gateway.streams.event_filter import EventFilter
from threadmill_gateway.streams.response import StreamResponse
from threadmill_gateway.streams.run_stream import RunStream
from threadmill_shared.events.decoder import Event


async def stream_run(
    call: Call, run_id: str, *, after: int = 0, first: Sequence[tuple[str, object]] = ()
) -> StreamResponse:
    """The run's events behind a number.

    Args:
        call: the request.
        run_id: the run.
        after: number of the last event that the client has.
        first: events that come before the run's.

    Raises:
        ApiError: too many streams are open.
        ThreadmillError: the stream cannot begin.
    """
    streams = call.gateway.streams
    streams.take()
    try:
        groups = call.connections.log_follower.follow(run_id, after, has_ticks=True)
        begun = _begun(await anext(groups), groups)
        stream = RunStream(
            begun,
            event_filter=EventFilter(),
            is_ending=lambda: call.gateway.is_ending,
        )
    except BaseException:
        streams.give_back()
        raise
    return StreamResponse(stream.chunks(first), streams.give_back)


async def _begun(
    first: Sequence[Event], rest: AsyncGenerator[list[Event], None]
) -> AsyncGenerator[Sequence[Event], None]:
    """The groups with the first one.

    It was read before the answer began, so that what is wrong could still be answered as an error.
    """
    yield first
    async for group in rest:
        yield group
