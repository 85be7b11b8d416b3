"""One stream of a run, from a place in its log to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

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


class Groups(Protocol):
    """A run's events in groups, as a `Tail` gives them."""

    async def next(self) -> Sequence[Event] | None:
        """The next ones; none if none has come for a second; None: there are no more."""
        ...

    async def close(self) -> None:
        """Nobody reads on."""


class RunStream:
    """Makes the bytes of one stream."""

    def __init__(
        self,
        tail: Groups,
        *,
        on_end: Callable[[], None] = lambda: None,
        first: bytes = b"",
        event_filter: EventFilter,
        thread_id: str = "",
        enters_behind: int | None = None,
        is_ending: Callable[[], bool] = lambda: False,
    ) -> None:
        """Nothing is read yet.

        Args:
            tail: the run's events, from the place from which they are needed.
            on_end: called once when nobody reads on.
            first: what comes before the run's events.
            event_filter: which of them the stream has.
            thread_id: of the run, as the client knows it; empty: as it is stored.
            enters_behind: number of the event behind which the stream begins, if it enters in the
                middle: what is open there comes first. The tail begins with the log then.
            is_ending: whether the gateway is about to end.
        """
        self._tail = tail
        self._on_end = on_end
        self._first = first
        self._wrote_at = time.monotonic()
        self._is_over = False
        self._filter = event_filter
        self._thread_id = thread_id
        self._enters_behind = enters_behind
        self._entry = None if enters_behind is None else Entry()
        self._is_ending = is_ending

    async def begin(self) -> None:
        """Read what is there before the answer begins: what is wrong becomes an error's answer.

        Raises:
            ThreadmillError: the stream cannot begin.
        """
        self._first += self._made_of(await self._tail.next())

    async def next(self) -> bytes | None:
        """The bytes that are to be sent next; None: the stream is over."""
        chunk, self._first = self._first, b""
        while not chunk and not self._is_over:
            chunk = await self._chunk()
        self._wrote_at = time.monotonic()
        return chunk or None

    async def close(self) -> None:
        """Nobody reads on."""
        self._on_end()
        await self._tail.close()

    async def _chunk(self) -> bytes:
        try:
            return self._made_of(await self._tail.next())
        except ThreadmillError as error:
            # An end without a word would be taken for a normal one.
            return self._end(frames.error_frame(api_error(error) or refusals.internal_error()))

    def _made_of(self, events: Sequence[Event] | None) -> bytes:
        if events is None:
            return self._end(b"")
        chunk = self._content(events)
        if self._filter.is_over:
            return self._end(chunk)
        if self._is_ending():
            return self._end(chunk + frames.error_frame(_restarting()))
        if not chunk and time.monotonic() - self._wrote_at > KEEP_ALIVE_SECONDS:
            return frames.KEEP_ALIVE
        return chunk

    def _end(self, last: bytes) -> bytes:
        """This is the last thing that is sent."""
        self._is_over = True
        return last

    def _content(self, group: Sequence[Event]) -> bytes:
        events = list(self._filter.of(self._entered(group)))
        pieces = [self._frame(one) for one in events]
        if self._filter.is_over and events[-1].event != DONE:
            pieces.append(frames.DONE)
        return b"".join(pieces)

    def _frame(self, event: Event) -> bytes:
        data = frames.shown(event.event, event.data, self._thread_id)
        return frames.frame(event.event, data, event.id)

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
