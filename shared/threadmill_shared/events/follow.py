"""Following event logs: the log has the events, a notification wakes the reader.

A process holds one subscribing connection for all the logs that it follows. A reader subscribes,
then reads, then waits, so it misses nothing. A lost notification costs a second at most, because a
waiting reader reads again every second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from functools import partial
from typing import TypeVar

from threadmill_shared import errors
from threadmill_shared.events.cursor import Cursor
from threadmill_shared.events.decoder import DONE, Event, LogDecoder
from threadmill_shared.events.notifications import IDLE_SECONDS, Notifications
from threadmill_shared.events.shared_log import READ_ENTRIES, LogListener, SharedLog
from threadmill_shared.records.log import LogEntry
from threadmill_shared.records.run import RunRecord
from threadmill_shared.servers.trouble import Trouble, describe_failure
from threadmill_shared.store.logs import RawEntry
from threadmill_shared.store.replies import run_not_found
from threadmill_shared.store.store import Store

logger = logging.getLogger("threadmill.events")

T = TypeVar("T")


class LogFollower:
    """Follows runs: their events, and their ends."""

    def __init__(self, store: Store, notifications: Notifications) -> None:
        self._store = store
        self._notifications = notifications
        self._logs: dict[str, SharedLog] = {}
        """Of the runs that are followed."""
        self._trouble = Trouble()

    async def follow(
        self, run_id: str, after: int = 0, *, has_ticks: bool = False
    ) -> AsyncGenerator[list[Event], None]:
        """The run's events after number `after`, in groups as they arrive; ends with `done`.

        Once it has begun, it waits as long as Redis is unreachable; without Redis it does not
        begin.

        Args:
            run_id: the run.
            after: number of the last event that is known.
            has_ticks: whether there is an empty group for each second in which nothing has come.

        Raises:
            StoreUnavailable: Redis did not answer at the beginning.
            RunNotFound: there is no such run.
            RunLost: its keys disappeared while it was followed.
            LogRewound: the store has gone back to a state in which the log ends before what was
                already read, or before `after`.
            EventsExpired: the log has expired, and `after` is a number within it.
        """
        channel, listener = self._store.logs.channel(run_id), LogListener()
        async with self._notifications.listen(channel, listener):
            # In one round trip: who follows a new run waits for its first token.
            record, page = await asyncio.gather(
                self._record(run_id), self._store.logs.raw_entries(run_id, after, READ_ENTRIES)
            )
            with self._shared_log(record) as log:
                listener.log = log
                cursor = Cursor(log, record, after)
                async for events in self._groups(cursor, page, listener, run_id):
                    if events or has_ticks:
                        yield events

    async def _groups(
        self, cursor: Cursor, page: list[RawEntry], listener: LogListener, run_id: str
    ) -> AsyncGenerator[list[Event], None]:
        """The groups of events from a place on, empty ones too; `page` has the first entries."""
        read: Callable[[], Awaitable[list[Event]]] = partial(cursor.take, page)
        while True:
            events = await self._patiently(read)
            read = cursor.read
            if events:
                yield events
                if events[-1].event == DONE:
                    return
                # What comes after a page that was not full sets the listener, which is
                # cleared before each read: there is nothing to look for until then.
                if cursor.is_behind or await listener.wait_behind(cursor.after, IDLE_SECONDS):
                    continue
            record = await self._record(run_id, known=True)
            cursor.check(record)
            if record.status.is_terminal and record.events <= cursor.after:
                return
            if record.status.is_terminal and not await self._log_exists(run_id):
                yield _terminal_events(record, cursor.after)
                return
            yield []
            if not events:
                await listener.wait_behind(cursor.after, IDLE_SECONDS)

    async def ended(
        self, run_id: str, on_look: Callable[[RunRecord], None] = lambda _: None
    ) -> RunRecord:
        """Wait until the run has ended, and return its record.

        `on_look` is called with each record that is read meanwhile, even if nothing has changed.
        Once it has begun, it waits as long as Redis is unreachable; without Redis it does not
        begin.

        Raises:
            StoreUnavailable: Redis did not answer at the beginning.
            RunNotFound: there is no such run.
            RunLost: its keys disappeared meanwhile.
        """

        def is_over(record: RunRecord) -> bool:
            if not record.status.is_terminal:
                on_look(record)
            return record.status.is_terminal

        return await self.wait_for(run_id, is_over)

    async def wait_for(self, run_id: str, is_so: Callable[[RunRecord], bool]) -> RunRecord:
        """Wait until something is so of the run's record, and return that; as `ended` does it."""
        async with self._notifications.listen(self._store.logs.channel(run_id)) as listener:
            record = await self._record(run_id)
            while not is_so(record):
                await listener.wait_for(IDLE_SECONDS)
                record = await self._record(run_id, known=True)
            return record

    @contextlib.contextmanager
    def _shared_log(self, record: RunRecord) -> Iterator[SharedLog]:
        """What this process reads of the run's log, for as long as somebody follows it."""
        log = self._logs.setdefault(record.id, SharedLog(self._store.logs, record))
        log.readers += 1
        try:
            yield log
        finally:
            log.readers -= 1
            if not log.readers:
                self._logs.pop(record.id, None)

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read, and wait while Redis is unreachable: a follower survives a restart of Redis."""
        while True:
            try:
                found = await read()
            except errors.StoreUnavailable as error:
                cause = describe_failure(error.__cause__ or error)
                if self._trouble.note_failure(cause):
                    logger.warning("Redis does not answer; waiting: %s", cause)
                await asyncio.sleep(IDLE_SECONDS)
            else:
                if (seconds := self._trouble.note_success()) is not None:
                    logger.warning("Redis answers again, after %.0f s", seconds)
                return found

    async def _log_exists(self, run_id: str) -> bool:
        return await self._store.logs.exists(run_id)

    async def _record(self, run_id: str, *, known: bool = False) -> RunRecord:
        if known:
            record = await self._patiently(partial(self._store.runs.record, run_id))
        else:
            record = await self._store.runs.record(run_id)
        if record is None and known:
            raise errors.RunLost(
                f"The record of {run_id} is gone: its thread was deleted, or Redis lost it."
            )
        if record is None:
            raise run_not_found(run_id)
        return record


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
