"""A run's events, for a caller that reads them one after another.

They are fetched by one task on the bridge, which is a little ahead of the caller. A call across
threads for each group of events would cost several times as much as the events.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from threadmill.client.awaited import BridgeCall, SyncOrAsync
from threadmill.client.bridge import BridgeClosed
from threadmill.client.driving import callers_loop
from threadmill.client.operations import drive_async
from threadmill.client.wakeups import settle_soon
from threadmill.runs.time_limit import GRACE_SECONDS, within
from threadmill_shared import errors

if TYPE_CHECKING:
    from threadmill.client.client import Client
    from threadmill_shared.events.decoder import Event

_AHEAD = 2
"""How many groups are fetched before the caller asks for them."""


class EventStream:
    """A run's events in groups, for one caller at a time."""

    def __init__(self, client: Client, run_id: str, after: int) -> None:
        """Nothing is fetched before the first `next`."""
        self._client = client
        self._follow: Callable[[], AsyncGenerator[list[Event], None]] = lambda: client.follow(
            run_id, after
        )
        self._lock = threading.Lock()
        self._fetched: deque[list[Event]] = deque()
        self._wake: Callable[[], object] = _nobody
        """Wakes the caller that found nothing; called once."""
        self._is_over = False
        """Whether nothing more is fetched."""
        self._error: BaseException | None = None
        """Why that is so, until the caller is told."""
        self._fetching: BridgeCall[None] | None = None
        self._task: asyncio.Task[None] | None = None
        """Of the bridge."""
        self._room: asyncio.Event | None = None
        """Is set when the caller takes a group; only while the task waits for that."""

    async def next(self, timeout: float | None = None) -> list[Event] | None:
        """The next group; None after the last one.

        Raises:
            TimeoutError: none came within `timeout` seconds.
            RunLost, LogRewound, EventsExpired: as their names say.
        """
        self._client.check_open()
        if self._fetching is None:
            self._fetching = self._client.call(self._fetch())
            self._fetching.future.add_done_callback(self._note_end)
        if timeout is not None:
            await self._wait_on_bridge(timeout)
        elif (loop := callers_loop()) is not None:
            await self._wait_on_loop(loop)
        else:
            await self._wait_in_thread()
        return self._take()

    async def next_awaited(self) -> list[Event] | None:
        """`next` on the running event loop; a group that comes costs no operation.

        Raises:
            RunLost, LogRewound, EventsExpired: as their names say.
        """
        if self._fetching is not None and self._is_open():
            loop = asyncio.get_running_loop()
            waiting = loop.create_future()
            if self._found_nothing(partial(settle_soon, loop, waiting)):
                await waiting
            if (found := self._take_group()) is not None:
                return found
        return await drive_async(self.next())

    async def close(self) -> None:
        """Stop following; a client that is closed has done so already."""
        with contextlib.suppress(BridgeClosed, TimeoutError):
            await self._client.call(within(GRACE_SECONDS, self._close))

    # ---- the caller's side -----------------------------------------------------------------------

    async def _wait_on_bridge(self, timeout: float) -> None:
        """Wait until there is something to take, at most so many seconds."""
        waiting: Future[None] = Future()
        if self._found_nothing(partial(_settle, waiting)):
            await self._client.call(within(timeout, lambda: _until_done(waiting)))

    async def _wait_on_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait without a detour by a future of threads, which would cost more than all the rest."""
        waiting = loop.create_future()
        if self._found_nothing(partial(settle_soon, loop, waiting)):
            await SyncOrAsync(_nobody, lambda: waiting)

    async def _wait_in_thread(self) -> None:
        waiting: Future[None] = Future()
        if self._found_nothing(partial(_settle, waiting)):
            await BridgeCall(waiting)

    def _found_nothing(self, wake: Callable[[], object]) -> bool:
        """Whether there is nothing to take; then `wake` is called as soon as there is."""
        with self._lock:
            is_empty = not (self._fetched or self._is_over)
            self._wake = wake if is_empty else _nobody
        return is_empty

    def _is_open(self) -> bool:
        try:
            self._client.check_open()
        except Exception:  # noqa: BLE001  whoever asks next is told
            return False
        return True

    def _take_group(self) -> list[Event] | None:
        with self._lock:
            found = self._fetched.popleft() if self._fetched else None
            room = self._room
        if found is not None and room is not None:
            self._client.call_soon(room.set)
        return found

    def _take(self) -> list[Event] | None:
        if (found := self._take_group()) is not None:
            return found
        error, self._error = self._error, None
        if isinstance(error, errors.RunNotFound):
            raise errors.RunLost(str(error)) from error
        if error is not None:
            raise error
        return None

    # ---- the bridge's side -----------------------------------------------------------------------

    async def _fetch(self) -> None:
        self._task = asyncio.current_task()
        async with contextlib.aclosing(self._follow()) as groups:
            async for events in groups:
                await self._have_room()
                self._tell(events)

    async def _have_room(self) -> None:
        """Wait until the caller has taken what was fetched, but for a little."""
        while len(self._fetched) >= _AHEAD:
            room = asyncio.Event()
            with self._lock:
                self._room = room if len(self._fetched) >= _AHEAD else None
            if self._room is not None:
                await room.wait()
            self._room = None

    def _tell(self, events: list[Event]) -> None:
        with self._lock:
            self._fetched.append(events)
            wake, self._wake = self._wake, _nobody
        wake()

    def _note_end(self, fetching: Future[None]) -> None:
        with self._lock:
            self._is_over = True
            if not fetching.cancelled():
                self._error = fetching.exception()
            wake, self._wake = self._wake, _nobody
        wake()

    async def _close(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])


def _nobody() -> None:
    """Nobody waits."""


def _settle(waiting: Future[None]) -> None:
    if waiting.set_running_or_notify_cancel():  # not if the caller has given up
        waiting.set_result(None)


async def _until_done(waiting: Future[None]) -> None:
    await asyncio.wrap_future(waiting)
