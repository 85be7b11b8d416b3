"""One subscription for all channels that a process listens to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

from threadmill_shared.cancellation import cancel_all
from threadmill_shared.store.connections import PASSING, StoreClient

SILENT_SECONDS = 5.0
"""After so long without a word the server is asked for one, and has as long to answer."""


logger = logging.getLogger("threadmill.events")

IDLE_SECONDS = 1.0
"""How long a reader waits for a notification before it looks by itself."""
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


class Notifications:
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
        notifications = self._listeners.get(channel, set())
        notifications.discard(bell)
        if not notifications:
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
        in its place would ring notifications that nobody hears.
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
