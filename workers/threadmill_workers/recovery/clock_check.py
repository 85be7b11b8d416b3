"""Whether this worker's clock and the server's agree: times in logs are compared by people."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from threadmill_shared.store.server import Server

logger = logging.getLogger("threadmill.worker")

MEASURE_SECONDS = 60.0
TOLERATED_SECONDS = 2.0


class ClockCheck:
    """Measures now and then by how much this worker's clock is ahead of the server's."""

    def __init__(self, server: Server, clock: Callable[[], float] = time.time) -> None:
        """Nothing is measured yet; `clock` is this worker's, in seconds since the epoch."""
        self._server = server
        self._clock = clock
        self._measured_at = float("-inf")
        self.offset = 0
        """Seconds by which this worker's clock is ahead; 0 if it is within the tolerance."""

    async def measure(self) -> None:
        """Measure, if that was not done within the last minute.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        if time.monotonic() - self._measured_at < MEASURE_SECONDS:
            return
        before = self._clock()
        server = await self._server.now() / 1000
        after = self._clock()
        self._measured_at = time.monotonic()
        offset = (before + after) / 2 - server
        is_right = abs(offset) - (after - before) / 2 <= TOLERATED_SECONDS
        was = self.offset
        self.offset = 0 if is_right else round(offset)
        if self.offset and not was:
            logger.warning(
                "this worker's clock is %d s %s the one of Redis; synchronise both with NTP",
                abs(self.offset),
                "ahead of" if self.offset > 0 else "behind",
            )
