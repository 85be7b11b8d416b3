"""A worker's lease: it is registered, and beats once a second from a thread of its own.

A tool that blocks the event loop does not stop the beat; a loop that answers nothing for half a
minute does. Nobody claims a run without a lease that was confirmed within its lifetime, so a
process that was frozen looks before it acts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence

from threadmill_shared import errors
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.settings import Settings
from threadmill_shared.store.heartbeat_connection import HeartbeatConnection, open_heartbeat
from threadmill_workers.membership.heartbeat import LEASE_MS, Heartbeat, boot_seconds
from threadmill_workers.membership.identity import WorkerIdentity
from threadmill_workers.membership.store_health import StoreHealth

logger = logging.getLogger("threadmill.worker")

BEAT_SECONDS = 1.0
LATE_BEATS = 5
"""After so many beats without an answer of the event loop, the log tells what blocks it."""
UNANSWERED_BEATS = 30
"""So many beats may pass without an answer of the event loop. Beats and not seconds: a process that
was frozen for a minute is no worse for it."""
FIRST_RETRY_SECONDS = 0.01
LONGEST_RETRY_SECONDS = 1.0
"""Between two tries to connect; doubling from the first to the longest."""


class Loop:
    """The event loop that the worker's runs are on, as the lease's thread sees it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        on_late: Callable[[], None] = lambda: None,
        on_return: Callable[[float], None] = lambda _: None,
    ) -> None:
        """A loop that has not been asked yet.

        Args:
            loop: the event loop.
            on_late: called once when it has not answered for some heartbeats.
            on_return: called after that with the seconds, when it answers again.
        """
        self._loop = loop
        self._on_late = on_late
        self._on_return = on_return
        self._unanswered = 0
        self._is_late = False
        self._asked_at = 0.0
        """When it was asked what it has not answered yet."""

    def call(self, act: Callable[[], None]) -> None:
        """Have something done on the loop."""
        self._loop.call_soon_threadsafe(act)

    def answers(self, *, on_silence: Callable[[], None]) -> bool:
        """Whether it has answered one of the last heartbeats; asks it again.

        Args:
            on_silence: called once when it has not.
        """
        if self._is_late and self._unanswered == 0:
            self._is_late = False
            self._on_return(time.monotonic() - self._asked_at)
        if self._unanswered == 0:
            self._asked_at = time.monotonic()
        self._unanswered += 1
        self.call(self._answer)
        if self._unanswered == LATE_BEATS + 1:
            self._is_late = True
            self._on_late()
        if self._unanswered == UNANSWERED_BEATS + 1:
            on_silence()
        return self._unanswered <= UNANSWERED_BEATS

    def _answer(self) -> None:
        self._unanswered = 0


class Lease:
    """Keeps one worker registered while its process lives."""

    def __init__(
        self,
        settings: Settings,
        holder: WorkerIdentity,
        info: WorkerInfo,
        tools: Sequence[str],
        *,
        loop: Loop,
        on_declared_dead: Callable[[], None],
        on_stuck: Callable[[str], None],
        on_blocked: Callable[[str], None] | None = None,
    ) -> None:
        """A lease that is not taken yet.

        Args:
            settings: with the store's URL.
            holder: whose lease it is.
            info: what others may know of the worker.
            tools: what it can execute, as other processes look it up.
            loop: it has to answer, or there are no beats.
            on_declared_dead: called on the loop before the worker is registered under a new id.
            on_stuck: called with the reason when there will be no beats any more.
            on_blocked: the same, if the reason is that the loop does not answer; None: `on_stuck`.
        """
        self._settings = settings
        self._loop = loop
        self._heartbeat = Heartbeat(
            holder, info, tools, on_declared_dead=lambda: loop.call(on_declared_dead)
        )
        self._on_stuck = on_stuck
        self._on_blocked = on_blocked or on_stuck
        self._health = StoreHealth(settings.store_url())
        self._was_lost = False
        self._end = threading.Event()
        self._closing = asyncio.Event()
        self._own_loop: asyncio.AbstractEventLoop | None = None
        self._registered = threading.Event()
        self._thread = threading.Thread(target=self._work, name="threadmill-lease", daemon=True)

    @property
    def holder(self) -> WorkerIdentity:
        """Whose lease it is; another one once it was declared dead."""
        return self._heartbeat.holder

    def start(self, timeout: float = 10.0) -> None:
        """Register, and begin to beat.

        Raises:
            StoreUnavailable: there is no lease after `timeout` seconds.
        """
        self._thread.start()
        if not self._registered.wait(timeout):
            raise errors.StoreUnavailable(
                f"The worker could not register within {timeout:g} s; see its log."
            )

    def close(self) -> None:
        """Deregister."""
        self._end.set()
        if self._own_loop is not None:
            with contextlib.suppress(RuntimeError):  # it is closed already
                self._own_loop.call_soon_threadsafe(self._closing.set)
            self._thread.join(5)

    @property
    def is_closed(self) -> bool:
        """Whether the worker deregisters, or has."""
        return self._end.is_set()

    def is_confirmed(self) -> bool:
        """Whether the lease cannot have expired yet."""
        return boot_seconds() - self._heartbeat.confirmed_at < LEASE_MS / 1000

    async def wait_until_confirmed(self) -> None:
        """Wait until the lease is confirmed."""
        while not self.is_confirmed():
            await asyncio.sleep(random.uniform(0.05, 0.15))  # noqa: S311  so that not all wake at once

    # ---- in the lease's thread -------------------------------------------------------------------

    def _work(self) -> None:
        try:
            asyncio.run(self._beat_until_closed())
        except BaseException as error:  # noqa: BLE001  whatever it is, there are no beats any more
            self._on_stuck(f"the lease's thread has failed ({type(error).__name__})")

    async def _beat_until_closed(self) -> None:
        self._own_loop = asyncio.get_running_loop()
        pause = FIRST_RETRY_SECONDS
        while not self._end.is_set():
            try:
                url, namespace = self._settings.store_url(), self._settings.namespace
                async with open_heartbeat(url, namespace) as connection:
                    await self._beat_on(connection)
            except Exception as error:  # noqa: BLE001  without its beat a worker is as good as dead
                self._health.note_failure(error)
                await asyncio.sleep(pause)
            was_renewed = boot_seconds() - self._heartbeat.confirmed_at < LONGEST_RETRY_SECONDS
            pause = FIRST_RETRY_SECONDS if was_renewed else min(2 * pause, LONGEST_RETRY_SECONDS)

    def _note_connection(self) -> None:
        was_lost, self._was_lost = self._was_lost, False
        if not self._health.note_answer() and was_lost:
            logger.info("the lease has a new connection; the old one was lost")

    async def _beat_on(self, connection: HeartbeatConnection) -> None:
        """Beat on this connection until it is lost, or the lease is closed."""
        await self._heartbeat.begin(connection)
        self._registered.set()
        self._note_connection()
        while await self._wait_for_next_beat(connection):
            if self._end.is_set():
                await self._heartbeat.end(connection)
                return
            if not self._loop.answers(on_silence=self._loop_is_silent):
                continue
            await self._heartbeat.beat(connection)
        self._was_lost = True

    def _loop_is_silent(self) -> None:
        self._on_blocked(f"the event loop has not answered for {UNANSWERED_BEATS} heartbeats")

    async def _wait_for_next_beat(self, connection: HeartbeatConnection) -> bool:
        """Wait until the next heartbeat is due; False: the connection is lost."""
        waiting = asyncio.ensure_future(connection.is_lost_within(BEAT_SECONDS))
        closing = asyncio.ensure_future(self._closing.wait())
        await asyncio.wait([waiting, closing], return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        if not waiting.done():
            waiting.cancel()
            await asyncio.wait([waiting])
        return waiting.cancelled() or not waiting.result()
