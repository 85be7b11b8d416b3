"""One subscription for all channels that a process listens to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable

from threadmill_shared.cancellation import cancel_all
from threadmill_shared.servers.trouble import Trouble, describe_failure
from threadmill_shared.store.connections import PASSING
from threadmill_shared.store.subscription import ChannelSubscription

logger = logging.getLogger("threadmill.events")

IDLE_SECONDS = 1.0
"""How long a reader waits for a notification before it reads without one."""
MESSAGES = 10_000
"""The most messages of a channel that are kept for its readers."""


_NONE: deque[str] = deque(maxlen=0)
"""Keeps nothing, for all listeners that keep nothing: an empty deque takes 600 bytes."""


class ChannelListener:
    """Is set by each message of a channel, and keeps the last ones if requested.

    One reader waits for it: an `asyncio.Event` has room for many, which takes more memory than all
    the rest, and more time.
    """

    def __init__(self, *, keep: int = 0) -> None:
        self.messages: deque[str] = deque(maxlen=keep) if keep else _NONE
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None
        self._until: float | None = None
        """When the waiting reader gives up, by the loop's clock; None: none waits."""
        self._timer: asyncio.TimerHandle | None = None
        self._has_given_up = False

    def is_set(self) -> bool:
        """Whether there was a message since it was cleared."""
        return self._is_set

    def set(self) -> None:
        """Wake the reader."""
        self._is_set = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def clear(self) -> None:
        """Wait for the next message."""
        self._is_set = False

    async def wait(self) -> None:
        """Wait until it is set."""
        if not self._is_set:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None

    @property
    def is_waiting(self) -> bool:
        """Whether its reader waits, and is not busy with something else."""
        return self._until is not None

    def notify(self, message: str) -> None:
        """Keep the message, and wake the waiting reader."""
        self.messages.append(message)
        self.set()

    async def wait_for(self, seconds: float, is_new: Callable[[], bool] = lambda: True) -> bool:
        """Wait until it is set and something is new, but not longer; returns whether it was.

        It is cleared then. One timer serves many waits, since a timer costs a tail more than an
        event: when it is due, it looks until when is waited by now.
        """
        loop = asyncio.get_running_loop()
        self._until = loop.time() + seconds
        if self._timer is None or self._timer.when() > self._until:
            self._set_timer(loop)
        try:
            while True:
                await self.wait()
                self.clear()  # before anything is read: what comes meanwhile sets it again
                if self._has_given_up or is_new():
                    return not self._has_given_up
        finally:
            self._until = None
            self._has_given_up = False

    def close(self) -> None:
        """Nobody will wait any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self.close()
        if self._until is not None:
            self._timer = loop.call_at(self._until, self._note_time, loop)

    def _note_time(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._until is not None and self._until <= loop.time():
            self._has_given_up = True
            self.set()
        else:
            self._set_timer(loop)


class Notifications:
    """One subscription for all channels that a process listens to."""

    def __init__(self, subscription: ChannelSubscription) -> None:
        """No channel is listened to yet."""
        self._subscription = subscription
        self._listeners: dict[str, set[ChannelListener]] = {}
        self._unsubscribed: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._trouble = Trouble()

    @contextlib.asynccontextmanager
    async def listen(
        self, channel: str, listener: ChannelListener | None = None
    ) -> AsyncGenerator[ChannelListener, None]:
        """A listener that each message of the channel sets; this one, if it is given.

        The channel is subscribed on entry; if Redis is unreachable then, soon after it is back.
        """
        listener = listener or ChannelListener()
        try:
            await self.open(channel, listener)
            yield listener
        finally:
            await self.shut(channel, listener)

    @contextlib.asynccontextmanager
    async def hear(self, channel: str) -> AsyncGenerator[AsyncGenerator[str, None], None]:
        """The messages of a channel, for channels whose messages have content."""
        async with self.listen(channel, ChannelListener(keep=MESSAGES)) as listener:
            yield _messages(listener)

    async def close(self) -> None:
        """End the subscription."""
        if self._task is not None:
            await cancel_all([self._task])
        await self._subscription.close()

    async def open(self, channel: str, listener: ChannelListener) -> None:
        """Have each message of the channel set this listener, which is shut some time; `listen`."""
        async with self._lock:
            first = channel not in self._listeners
            self._listeners.setdefault(channel, set()).add(listener)
            if first:
                self._unsubscribed.add(channel)
                with contextlib.suppress(*PASSING):  # meanwhile readers read without notifications
                    await self._subscribe()
            if self._task is None:
                self._task = asyncio.ensure_future(self._work())

    async def shut(self, channel: str, listener: ChannelListener) -> None:
        """End that; also if `open` was cancelled."""
        listener.close()
        listeners = self._listeners.get(channel, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(channel, None)
            self._unsubscribed.discard(channel)
            await self._unsubscribe(channel)

    async def _unsubscribe(self, channel: str) -> None:
        async with self._lock:
            if channel in self._listeners:
                return
            # A connection that is being closed or replaced can fail in its own way. If it does, the
            # channel is left at its next message.
            with contextlib.suppress(Exception):
                await self._subscription.unsubscribe(channel)

    async def _subscribe(self) -> None:
        for channel in list(self._unsubscribed):
            await self._subscription.subscribe(channel)
            self._unsubscribed.discard(channel)

    async def _work(self) -> None:
        while True:
            try:
                await self._listen_once()
            except RuntimeError:  # nothing is subscribed at the moment
                await asyncio.sleep(IDLE_SECONDS / 100)
            except Exception as error:  # noqa: BLE001  without this task nobody would be notified again
                if self._trouble.note_failure():
                    reason = describe_failure(error)
                    logger.debug("not subscribed to Redis: %s; it is tried until it works", reason)
                await asyncio.sleep(IDLE_SECONDS / 10)

    async def _listen_once(self) -> None:
        if self._unsubscribed:
            async with self._lock:
                await self._subscribe()
        messages = await self._subscription.messages(IDLE_SECONDS)
        self._trouble.note_success()
        for channel, text in messages:
            for listener in self._listeners.get(channel, ()):
                listener.notify(text)
            if channel not in self._listeners:
                await self._unsubscribe(channel)


async def _messages(listener: ChannelListener) -> AsyncGenerator[str, None]:
    while True:
        await listener.wait()
        listener.clear()
        while listener.messages:
            yield listener.messages.popleft()
