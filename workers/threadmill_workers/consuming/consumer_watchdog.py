"""Notices a consumer that has silently stopped taking messages, and restarts it.

A consumer may come back from a broken connection to its broker and look alive, and take nothing any
more. So now and then a worker sends itself a message, through the queue that only it consumes. One
that does not arrive, although it was sent and a slot is free, proves that the consumer is stalled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

logger = logging.getLogger("threadmill.worker")

PING_SECONDS = 15.0
"""Between two messages."""
ARRIVAL_SECONDS = 10.0
"""How long one may take."""
MAX_MISSES = 4
"""A consumer that is still stalled after so many restarts will stay so."""


class Watchdog:
    """Watches one process's consumer."""

    def __init__(
        self,
        send: Callable[[int], None],
        failed_sends: Callable[[], int],
        *,
        is_busy: Callable[[], bool],
        restart: Callable[[], None],
        give_up: Callable[[str], None],
    ) -> None:
        """A watchdog that has seen nothing yet.

        Args:
            send: sends this process a message with a number.
            failed_sends: how many messages could not be sent so far.
            is_busy: whether no slot is free, or the worker is ending: then nothing need arrive.
            restart: restarts the consumer.
            give_up: called with the reason when that has not helped.
        """
        self._send = send
        self._failed_sends = failed_sends
        self._is_busy = is_busy
        self._restart = restart
        self._give_up = give_up
        self._sent = 0
        self._heard = 0
        self._misses = 0
        self._arrival = asyncio.Event()

    def take_ping(self, number: int) -> None:
        """Take note of a message that has arrived."""
        self._heard = max(self._heard, number)
        self._arrival.set()

    async def check(self) -> None:
        """Send a message, wait for it, and restart the consumer if it does not arrive."""
        if self._is_busy():
            return
        failed_before = self._failed_sends()
        self._sent += 1
        self._send(self._sent)
        if await self._wait_for_arrival():
            self._misses = 0
            return
        if self._is_busy() or self._failed_sends() != failed_before:
            return  # the consumer is not to blame
        self._misses += 1
        if self._misses >= MAX_MISSES:
            self._give_up("the consumer is stalled, and restarting it has not helped")
            return
        logger.error("the consumer is stalled; restarting it")
        self._restart()

    async def _wait_for_arrival(self) -> bool:
        try:
            async with asyncio.timeout(ARRIVAL_SECONDS):
                while self._heard < self._sent:
                    self._arrival.clear()
                    await self._arrival.wait()
        except TimeoutError:
            return False
        return True
