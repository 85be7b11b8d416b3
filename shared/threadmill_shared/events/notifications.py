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
"""After this time without a message the server is pinged, and has as long to answer."""


logger = logging.getLogger("threadmill.events")

IDLE_SECONDS = 1.0
"""How long a reader waits for a notification before it reads without one."""
MESSAGES = 10_000
"""The most messages of a channel that are kept for its readers."""


class ChannelListener(asyncio.Event):
    """Is set by each message of a channel, and keeps the last ones if requested."""

    def __init__(self, *, keep: int = 0) -> None:
        super().__init__()
        self.messages: deque[str] = deque(maxlen=keep)

    def notify(self, message: str) -> None:
        """Keep the message, and wake the waiting reader."""
        self.messages.append(message)
        self.set()


class Notifications:
    """One subscription for all channels that a process listens to."""

    def __init__(self, client: StoreClient) -> None:
        """No channel is subscribed yet; the subscription will use a connection of `client`."""
        self._client = client
        self._pubsub: Any = None
        self._listeners: dict[str, set[ChannelListener]] = {}
        self._unsubscribed: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._heard_at = time.monotonic()
        self._is_asked = False

    @contextlib.asynccontextmanager
    async def listen(self, channel: str, *, keep: int = 0) -> AsyncGenerator[ChannelListener, None]:
        """A listener that each message of the channel sets, and that keeps the last `keep` of them.

        The channel is subscribed on entry; if Redis is unreachable then, soon after it is back.
        """
        listener = ChannelListener(keep=keep)
        try:
            await self._open(channel, listener)
            yield listener
        finally:
            await self._shut(channel, listener)

    @contextlib.asynccontextmanager
    async def hear(self, channel: str) -> AsyncGenerator[AsyncGenerator[str, None], None]:
        """The messages of a channel, for channels whose messages have content."""
        async with self.listen(channel, keep=MESSAGES) as listener:
            yield _messages(listener)

    async def close(self) -> None:
        """End the subscription."""
        if self._task is not None:
            await cancel_all([self._task])
        if self._pubsub is not None:
            await self._pubsub.aclose()

    async def _open(self, channel: str, listener: ChannelListener) -> None:
        async with self._lock:
            first = channel not in self._listeners
            self._listeners.setdefault(channel, set()).add(listener)
            if self._pubsub is None:
                self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)
            if first:
                self._unsubscribed.add(channel)
                with contextlib.suppress(
                    *PASSING
                ):  # meanwhile the readers read without notifications
                    await self._subscribe()
            if self._task is None:
                self._task = asyncio.ensure_future(self._work())

    async def _shut(self, channel: str, listener: ChannelListener) -> None:
        listeners = self._listeners.get(channel, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(channel, None)
            self._unsubscribed.discard(channel)
            await self._unsubscribe(channel)

    async def _unsubscribe(self, channel: str) -> None:
        async with self._lock:
            if channel in self._listeners or self._pubsub is None:
                return
            # A connection that is being closed or replaced can fail in its own way. If it does, the
            # channel is left at its next message.
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
            except Exception as error:  # noqa: BLE001  without this task nobody would be notified again
                logger.debug("the subscription is down (%s)", type(error).__name__)
                await asyncio.sleep(IDLE_SECONDS / 10)

    async def _listen_once(self) -> None:
        if self._unsubscribed:
            async with self._lock:
                await self._subscribe()
        # redis-py's get_message does not distinguish a reply to PING from silence.
        said = await self._pubsub.parse_response(block=False, timeout=IDLE_SECONDS)
        if said is None:
            await self._stand_silence()
            return
        self._heard_at, self._is_asked = time.monotonic(), False
        if isinstance(said, list):
            await self._notify(await self._pubsub.handle_message(said))

    async def _stand_silence(self) -> None:
        """Check that the server is still reachable.

        A frozen or vanished server closes no connection. The server that was promoted in its place
        would publish messages that nobody receives.
        """
        if time.monotonic() - self._heard_at <= SILENT_SECONDS:
            return
        self._heard_at = time.monotonic()
        self._is_asked = not self._is_asked
        if self._is_asked:
            await self._pubsub.ping()
        else:
            await self._pubsub.connection.disconnect()  # the next read connects, and subscribes

    async def _notify(self, message: Any) -> None:
        if message is None:
            return
        channel = message["channel"]
        for listener in self._listeners.get(channel, ()):
            listener.notify(message["data"])
        if channel not in self._listeners:
            await self._unsubscribe(channel)


async def _messages(listener: ChannelListener) -> AsyncGenerator[str, None]:
    while True:
        await listener.wait()
        listener.clear()
        while listener.messages:
            yield listener.messages.popleft()
