"""redis-py's connections, with two faults mended.

A write to a connection that was lost a moment ago: asyncio's own transports take it, and redis-py
notices the loss when it reads. uvloop's raise a RuntimeError for it, which redis-py passes on as it
is: whoever retries after a lost connection would take that for a fault of the program.

A task that is cancelled while it writes: redis-py writes within `asyncio.wait_for`, which before
Python 3.12 drops a cancellation that comes just when the write is done. The task would go on, and
Ctrl-C would have done nothing.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

from redis.asyncio import Connection
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import TimeoutError as NotInTime

_WORDS = "the handler is closed"
"""uvloop's, in the error for an operation on a transport that is closed."""


@cache
def mended(kind: type[Connection]) -> type[Connection]:
    """The same kind of connection without these faults."""

    class Mended(kind):  # type: ignore[misc, valid-type]
        socket_timeout: float | None

        async def send_packed_command(self, *args: Any, **options: Any) -> None:
            try:
                if self.is_connected and self.socket_timeout:
                    await self._send_in_time(*args, **options)
                else:  # there is no time, or connecting has one of its own
                    await super().send_packed_command(*args, **options)
            except RuntimeError as error:
                if _WORDS not in str(error):
                    raise
                raise LostConnection(
                    "the connection was lost before the command was sent"
                ) from error

        async def _send_in_time(self, *args: Any, **options: Any) -> None:
            # Without a time, redis-py writes without `wait_for`.
            seconds, self.socket_timeout = self.socket_timeout, None
            try:
                async with asyncio.timeout(seconds):
                    await super().send_packed_command(*args, **options)
            except TimeoutError:
                raise NotInTime("Timeout writing to socket") from None
            finally:
                self.socket_timeout = seconds

    return Mended
