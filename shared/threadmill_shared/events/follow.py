"""Following event logs: the log is the truth, a bell wakes the reader.

A process holds one subscribing connection for all the logs that it follows. A reader subscribes,
then reads, then waits, so nothing falls between; a bell that is lost costs a second at most,
because a reader that waits looks again every second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from threadmill_shared import errors
from threadmill_shared.cancellation import cancel_all
from threadmill_shared.events.cursor import Cursor
from threadmill_shared.events.decoder import DONE, Entry, Event, Reader
from threadmill_shared.records.run import RunRecord
from threadmill_shared.store.connections import PASSING, StoreClient
from threadmill_shared.store.replies import run_not_found
from threadmill_shared.store.runs import Store

logger = logging.getLogger("threadmill.tails")

T = TypeVar("T")

IDLE_SECONDS = 1.0
SILENT_SECONDS = 5.0
"""After so long without a word the server is asked for one, and has as long to answer."""

MESSAGES = 10_000
"""The last messages of a channel that are kept for whoever hears it."""


class _Bell(asyncio.Event):
    """An event that keeps the last messages of its channel, if it is heard and not only rung."""

    def __init__(self, *, keep: int = 0) -> None:
        super().__init__()
        self.messages: deque[str] = deque(maxlen=keep)

    def ring(self, message: str) -> None:
        self.messages.append(message)
        self.set()


class Bells:
    """One subscription for all channels that a process listens to."""

    def __init__(self, client: StoreClient) -> None:
        """No channel is listened to yet; the subscription will take a connection of `client`."""
        self._client = client
        self._pubsub: Any = None
        self._listeners: dict[str, set[_Bell]] = {}
        self._unsubscribed: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._heard_at = time.monotonic()
        self._is_asked = False

    @contextlib.asynccontextmanager
    async def listen(self, channel: str, *, keep: int = 0) -> AsyncGenerator[_Bell, None]:
        """A bell that is set whenever the channel rings, and keeps that many messages.

        It is subscribed when this is entered; if Redis is away just then, soon after it is back.
        """
        bell = _Bell(keep=keep)
        try:
            await self._open(channel, bell)
            yield bell
        finally:
            await self._shut(channel, bell)

    @contextlib.asynccontextmanager
    async def hear(self, channel: str) -> AsyncGenerator[AsyncGenerator[str, None], None]:
        """What the channel says, message by message; for those that carry more than a ring."""
        async with self.listen(channel, keep=MESSAGES) as bell:
            yield _messages(bell)

    async def close(self) -> None:
        """End the subscription."""
        if self._task is not None:
            await cancel_all([self._task])
        if self._pubsub is not None:
            await self._pubsub.aclose()

    async def _open(self, channel: str, bell: _Bell) -> None:
        async with self._lock:
            first = channel not in self._listeners
            self._listeners.setdefault(channel, set()).add(bell)
            if self._pubsub is None:
                self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)
            if first:
                self._unsubscribed.add(channel)
                with contextlib.suppress(*PASSING):  # the readers look by themselves meanwhile
                    await self._subscribe()
            if self._task is None:
                self._task = asyncio.ensure_future(self._work())

    async def _shut(self, channel: str, bell: _Bell) -> None:
        bells = self._listeners.get(channel, set())
        bells.discard(bell)
        if not bells:
            self._listeners.pop(channel, None)
            self._unsubscribed.discard(channel)
            await self._unsubscribe(channel)

    async def _unsubscribe(self, channel: str) -> None:
        async with self._lock:
            if channel in self._listeners or self._pubsub is None:
                return
            # A connection that is just being closed or made anew fails in ways of its own. Where it
            # does, the channel is left when it rings.
            with contextlib.suppress(Exception):
                await self._pubsub.unsubscribe(channel)

    async def _subscribe(self) -> None:
        for channel in list(self._unsubscribed):
            await self._pubsub.subscribe(channel)
            self._unsubscribed.discard(channel)

    async def _work(self) -> None:
        while True:
            try:
                await self._listen_once()
            except RuntimeError:  # nothing is subscribed at the moment
                await asyncio.sleep(IDLE_SECONDS / 100)
            except Exception as error:  # noqa: BLE001  without this task no bell would ever ring
                logger.debug("the subscription is down (%s)", type(error).__name__)
                await asyncio.sleep(IDLE_SECONDS / 10)

    async def _listen_once(self) -> None:
        if self._unsubscribed:
            async with self._lock:
                await self._subscribe()
        # redis-py's get_message does not tell an answer to PING from silence.
        said = await self._pubsub.parse_response(block=False, timeout=IDLE_SECONDS)
        if said is None:
            await self._stand_silence()
            return
        self._heard_at, self._is_asked = time.monotonic(), False
        if isinstance(said, list):
            await self._ring(await self._pubsub.handle_message(said))

    async def _stand_silence(self) -> None:
        """Find out whether the server is still there.

        One that is frozen, or gone without a farewell, closes no connection. Whoever was promoted
        in its place would ring bells that nobody hears.
        """
        if time.monotonic() - self._heard_at <= SILENT_SECONDS:
            return
        self._heard_at = time.monotonic()
        self._is_asked = not self._is_asked
        if self._is_asked:
            await self._pubsub.ping()
        else:
            await self._pubsub.connection.disconnect()  # the next read connects, and subscribes

    async def _ring(self, message: Any) -> None:
        if message is None:
            return
        channel = message["channel"]
        for bell in self._listeners.get(channel, ()):
            bell.ring(message["data"])
        if channel not in self._listeners:
            await self._unsubscribe(channel)


async def _messages(bell: _Bell) -> AsyncGenerator[str, None]:
    while True:
        await bell.wait()
        bell.clear()
        while bell.messages:
            yield bell.messages.popleft()


class Tails:
    """Follows runs: their events, and their ends."""

    def __init__(self, store: Store, bells: Bells) -> None:
        self._store = store
        self._bells = bells

    async def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[list[Event], None]:
        """The run's events behind number `after`, in groups as they come; ends with `done`.

        Once it has begun, it waits for as long as Redis is away; without a Redis it does not begin.

        Raises:
            StoreUnavailable: Redis did not answer at the beginning.
            RunNotFound: there is no such run.
            RunLost: its keys are gone while it is followed.
            LogRewound: the store has gone back to a state in which the log ends before what was
                already read, or before `after`.
            EventsExpired: the log is past its lifetime, and `after` lies within it.
        """
        async with self._bells.listen(self._store.keys.log(run_id)) as bell:
            cursor = Cursor(self._store, await self._record(run_id), after)
            while True:
                bell.clear()
                events = await self._patiently(cursor.read)
                if events:
                    yield events
                    if events[-1].event == DONE:
                        return
                    # What comes after a page that was not full rings the bell, which was cleared
                    # before the read: there is nothing to look for until then.
                    if cursor.is_behind or await self._rings(bell):
                        continue
                record = await self._record(run_id, known=True)
                cursor.check(record)
                if record.status.is_terminal and record.events <= cursor.after:
                    return
                if record.status.is_terminal and not await self._log_exists(run_id):
                    yield _terminal_events(record, cursor.after)
                    return
                if not events:
                    await self._rings(bell)

    async def ended(
        self, run_id: str, on_look: Callable[[RunRecord], None] = lambda _: None
    ) -> RunRecord:
        """Wait until the run has ended, and return its record.

        `on_look` is called with each record that is read meanwhile, also where nothing has changed.
        Once it has begun, it waits for as long as Redis is away; without a Redis it does not begin.

        Raises:
            StoreUnavailable: Redis did not answer at the beginning.
            RunNotFound: there is no such run.
            RunLost: its keys are gone meanwhile.
        """
        async with self._bells.listen(self._store.keys.log(run_id)) as bell:
            record = await self._record(run_id)
            while not record.status.is_terminal:
                on_look(record)
                await self._rings(bell)
                bell.clear()
                record = await self._record(run_id, known=True)
            return record

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read while Redis is away for a time: whoever follows a run outlives its restart."""
        while True:
            try:
                return await read()
            except errors.StoreUnavailable as error:
                logger.warning(
                    "Redis does not answer; waiting (%s)", type(error.__cause__).__name__
                )
                await asyncio.sleep(IDLE_SECONDS)

    async def _rings(self, bell: _Bell) -> bool:
        """Wait for the bell; whether it rang before it was time to look by oneself."""
        try:
            async with asyncio.timeout(IDLE_SECONDS):  # `wait_for` may swallow a cancellation
                await bell.wait()
        except TimeoutError:
            return False
        return True

    async def _log_exists(self, run_id: str) -> bool:
        return bool(await self._store.read("EXISTS", self._store.keys.log(run_id)))

    async def _record(self, run_id: str, *, known: bool = False) -> RunRecord:
        if known:
            record = await self._patiently(partial(self._store.record, run_id))
        else:
            record = await self._store.record(run_id)
        if record is None and known:
            raise errors.RunLost(
                f"The record of {run_id} is gone: its thread was deleted, or Redis lost it."
            )
        if record is None:
            raise run_not_found(run_id)
        return record


def _terminal_events(record: RunRecord, after: int) -> list[Event]:
    """What is left of a log that has expired: the last two events, with their own numbers."""
    if 0 < after < record.events - 2:
        raise errors.EventsExpired(
            f"The log of {record.id} has expired; its record still has the last two events.",
            first=record.events - 1,
            last=record.events,
        )
    fields = {"e": record.terminal, "t": str(record.ended_at)}
    entry = Entry.read(str(record.events), fields)
    return list(Reader(record).events(entry, after))
