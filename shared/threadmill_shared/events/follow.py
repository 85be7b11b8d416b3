"""Following event logs: the log has the events, a notification wakes the reader.

A process holds one subscribing connection for all the logs that it follows. A reader subscribes,
then reads, then waits, so it misses nothing. A lost notification costs a second at most, because a
waiting reader reads again every second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import TypeVar

from threadmill_shared import errors
from threadmill_shared.events.cursor import Cursor
from threadmill_shared.events.decoder import Event
from threadmill_shared.events.notifications import IDLE_SECONDS, Notifications
from threadmill_shared.events.shared_log import READ_ENTRIES, LogListener, SharedLog
from threadmill_shared.events.tail import Tail
from threadmill_shared.records.run import RunRecord
from threadmill_shared.servers.trouble import Trouble, describe_failure
from threadmill_shared.store.replies import run_lost, run_not_found
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

    async def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[list[Event], None]:
        """The run's events after number `after`, in groups as they arrive; ends with `done`.

        Once it has begun, it waits as long as Redis is unreachable; without Redis it does not
        begin.

        Raises:
            StoreUnavailable: Redis did not answer at the beginning.
            RunNotFound: there is no such run.
            RunLost: its keys disappeared while it was followed.
            LogRewound: the store has gone back to a state in which the log ends before what was
                already read, or before `after`.
            EventsExpired: the log has expired, and `after` is a number within it.
        """
        tail = await self.tail(run_id, after)
        try:
            while (events := await tail.next()) is not None:
                if events:
                    yield events
        finally:
            await tail.close()

    async def tail(self, run_id: str, after: int = 0) -> Tail:
        """The same, for who has to know when a second has passed without an event.

        It must be closed.

        Raises:
            StoreUnavailable: Redis did not answer.
            RunNotFound: there is no such run.
        """
        channel, listener = self._store.logs.channel(run_id), LogListener()
        try:
            await self._notifications.open(channel, listener)
            # In one round trip: who follows a new run waits for its first token.
            record, page = await asyncio.gather(
                self._record(run_id), self._store.logs.raw_entries(run_id, after, READ_ENTRIES)
            )
        except BaseException:
            await self._notifications.shut(channel, listener)
            raise
        log = self._logs.setdefault(run_id, SharedLog(self._store.logs, record))
        log.readers += 1
        listener.log = log
        return Tail(
            self._store,
            Cursor(log, record, after),
            listener,
            patiently=self._read_unless_away,
            on_close=partial(self._leave, run_id, log, listener),
            page=page,
        )

    async def _leave(self, run_id: str, log: SharedLog, listener: LogListener) -> None:
        log.readers -= 1
        if not log.readers:
            self._logs.pop(run_id, None)
            log.close()
        await self._notifications.shut(self._store.logs.channel(run_id), listener)

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

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read, and wait while Redis is unreachable: a follower survives a restart of Redis."""
        while True:
            try:
                found = await read()
            except errors.StoreUnavailable as error:
                await self._wait_while_away(error)
            else:
                self._note_answer()
                return found

    async def _read_unless_away(
        self, read: Callable[[], Awaitable[list[Event] | None]]
    ) -> list[Event] | None:
        """What it reads; nothing, after a while, if Redis is unreachable."""
        try:
            found = await read()
        except errors.StoreUnavailable as error:
            await self._wait_while_away(error)
            return []
        self._note_answer()
        return found

    async def _wait_while_away(self, error: errors.StoreUnavailable) -> None:
        cause = describe_failure(error.__cause__ or error)
        if self._trouble.note_failure(cause):
            logger.warning("Redis does not answer; waiting: %s", cause)
        await asyncio.sleep(IDLE_SECONDS)

    def _note_answer(self) -> None:
        if (seconds := self._trouble.note_success()) is not None:
            logger.warning("Redis answers again, after %.0f s", seconds)

    async def _record(self, run_id: str, *, known: bool = False) -> RunRecord:
        if known:
            record = await self._patiently(partial(self._store.runs.record, run_id))
        else:
            record = await self._store.runs.record(run_id)
        if record is None:
            raise run_lost(run_id) if known else run_not_found(run_id)
        return record
