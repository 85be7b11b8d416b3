"""One stream of a run, from a place in its log to its end."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.api_error import ApiError
from threadmill_gateway.answers.failures import api_error
from threadmill_gateway.streams import frames
from threadmill_gateway.streams.entry import Entry
from threadmill_gateway.streams.event_filter import EventFilter
from threadmill_shared.errors import ThreadmillError
from threadmill_shared.events.decoder import DONE, Event

KEEP_ALIVE_SECONDS = 15.0
"""After which a silent stream says that it is there; proxies close silent connections."""

Groups = AsyncGenerator[Sequence[Event], None]
"""A run's events in groups as they arrive; an empty one each second in which none has come."""


class RunStream:
    """Makes the bytes of one stream."""

    def __init__(
        self,
        groups: Groups,
        *,
        event_filter: EventFilter,
        thread_id: str = "",
        enters_behind: int | None = None,
        is_ending: Callable[[], bool] = lambda: False,
    ) -> None:
        """Nothing is read yet.

        Args:
            groups: the run's events, from the place from which they are needed.
            event_filter: which of them the stream has.
            thread_id: of the run, as the client knows it; empty: as it is stored.
            enters_behind: number of the event behind which the stream begins, if it enters in the
                middle: what is open there comes first. The groups begin with the log then.
            is_ending: whether the gateway is about to end.
        """
        self._groups = groups
        self._filter = event_filter
        self._thread_id = thread_id
        self._enters_behind = enters_behind
        self._entry = None if enters_behind is None else Entry()
        self._is_ending = is_ending

    async def chunks(self, first: Sequence[tuple[str, object]] = ()) -> AsyncIterator[bytes]:
        """The bytes, in pieces to be sent; `first` are events that come before the run's."""
        if first:
            yield b"".join(frames.frame(*one) for one in first)
        wrote_at = time.monotonic()
        try:
            async with aclosing(self._groups) as groups:
                async for group in groups:
                    chunk = self._chunk(group)
                    if not chunk and time.monotonic() - wrote_at > KEEP_ALIVE_SECONDS:
                        chunk = frames.KEEP_ALIVE
                    if chunk:
                        yield chunk
                        wrote_at = time.monotonic()
                    if self._filter.is_over:
                        return
                    if self._is_ending():
                        yield frames.error_frame(_restarting())
                        return
        except ThreadmillError as error:
            # An end without a word would be taken for a normal one.
            yield frames.error_frame(api_error(error) or refusals.internal_error())

    def _chunk(self, group: Sequence[Event]) -> bytes:
        events = list(self._filter.of(self._entered(group)))
        pieces = [frames.frame(one.event, self._shown(one.data), one.id) for one in events]
        if self._filter.is_over and events[-1].event != DONE:
            pieces.append(frames.DONE)
        return b"".join(pieces)

    def _shown(self, data: Any) -> Any:
        """An event's data with the thread's id as the client knows it."""
        if not self._thread_id or data.__class__ is not dict or "thread_id" not in data:
            return data
        if data["thread_id"] == self._thread_id:
            return data
        return data | {"thread_id": self._thread_id}

    def _entered(self, group: Sequence[Event]) -> Sequence[Event]:
        """The events behind the place of entry, after what is open there."""
        if self._entry is None or self._enters_behind is None:
            return group
        behind = [event for event in group if event.id > self._enters_behind]
        for event in group:
            if event.id <= self._enters_behind:
                self._entry.add(event)
        if not behind and (not group or group[-1].id < self._enters_behind):
            return []
        opened = list(self._entry.events(self._enters_behind))
        self._entry = None
        return [*opened, *behind]


def _restarting() -> ApiError:
    return refusals.unavailable(
        "The server had an error processing your request: this gateway is restarting. The run "
        "continues; follow it again."
    )
