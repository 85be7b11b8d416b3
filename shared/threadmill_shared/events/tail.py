"""One reader's way along a run's log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from threadmill_shared import errors
from threadmill_shared.events.cursor import Cursor
from threadmill_shared.events.decoder import DONE, Event, LogDecoder
from threadmill_shared.events.notifications import IDLE_SECONDS
from threadmill_shared.events.shared_log import LogListener
from threadmill_shared.records.log import LogEntry
from threadmill_shared.records.run import RunRecord
from threadmill_shared.store.logs import RawEntry
from threadmill_shared.store.replies import run_lost
from threadmill_shared.store.store import Store


class Patience(Protocol):
    """Stands that Redis is away, and may be for long."""

    async def __call__(
        self, read: Callable[[], Awaitable[list[Event] | None]]
    ) -> list[Event] | None:
        """What it reads; nothing, after a second, if Redis does not answer."""
        ...


class Tail:
    """Gives a run's events in groups, as they arrive.

    A thousand of them wait at the same time, and each event wakes one: so between two groups it
    holds no events, and waiting is one coroutine deep.
    """

    def __init__(
        self,
        store: Store,
        cursor: Cursor,
        listener: LogListener,
        *,
        patiently: Patience,
        on_close: Callable[[], Awaitable[None]],
        page: list[RawEntry],
    ) -> None:
        """It has begun.

        Args:
            store: where the run is.
            cursor: the place in its log.
            listener: is set when there is more.
            patiently: reads, and stands that Redis is away.
            on_close: called when nobody reads on.
            page: the first entries.
        """
        self._store = store
        self._cursor = cursor
        self._listener = listener
        self._patiently = patiently
        self._on_close = on_close
        self._page: list[RawEntry] | None = page
        self._waits = False
        """Whether all was read that was there."""
        self._is_over = False

    async def next(self) -> list[Event] | None:
        """The next events; none if there was nothing for a second; None: the log is at its end.

        Nor is there anything while Redis is away: whoever reads has something else to do meanwhile,
        such as to tell a client that its stream is still there.

        Raises:
            RunLost, LogRewound, EventsExpired: as `LogFollower.follow` says.
        """
        return None if self._is_over else await self._patiently(self._read)

    async def close(self) -> None:
        """Nobody reads on."""
        await self._on_close()

    async def _read(self) -> list[Event] | None:
        cursor = self._cursor
        # What comes after a page that was not full sets the listener, which is cleared before each
        # read: there is nothing to look for until then.
        if self._waits:
            self._waits = False
            await self._listener.wait_behind(cursor.after, IDLE_SECONDS)
        read, self._page = (
            (cursor.read if self._page is None else partial(cursor.take, self._page)),
            None,
        )
        events = await read()
        self._waits = not cursor.is_behind
        if cursor.is_unchanged:
            return []  # and a run does not end without an entry that says so
        if not events:
            return await self._look()
        self._is_over = events[-1].event == DONE
        return events

    async def _look(self) -> list[Event] | None:
        """What there is although nothing was read."""
        cursor, runs = self._cursor, self._store.runs
        progress = await runs.progress(cursor.run_id)
        if progress is None:
            raise run_lost(cursor.run_id)
        cursor.check(progress)
        if not progress.status.is_terminal:
            return []
        if progress.events <= cursor.after:
            self._is_over = True
            return None
        if await self._store.logs.exists(cursor.run_id):
            return []
        record = await runs.record(cursor.run_id)
        if record is None:
            raise run_lost(cursor.run_id)
        self._is_over = True
        return _terminal_events(record, cursor.after)


def _terminal_events(record: RunRecord, after: int) -> list[Event]:
    """The rest of an expired log: the last two events, with their own numbers."""
    if 0 < after < record.events - 2:
        raise errors.EventsExpired(
            f"The log of {record.id} has expired; its record still has the last two events.",
            first=record.events - 1,
            last=record.events,
        )
    entry = LogEntry.of_end(record.events, record.terminal, record.ended_at or 0)
    return list(LogDecoder(record).events(entry, after))
