"""What a connection raises that was lost a moment ago: a lost connection's error, on any loop.

asyncio's own transports take a write after they were closed, and redis-py notices the loss when it
reads. uvloop's raise a RuntimeError for it, which redis-py passes on as it is: whoever retries
after a lost connection would take that for a fault of the program.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from redis.asyncio import Connection
from redis.exceptions import ConnectionError as LostConnection

_WORDS = "the handler is closed"
"""uvloop's, in the error for an operation on a transport that is closed."""


@cache
def tolerant(kind: type[Connection]) -> type[Connection]:
    """The same kind of connection, for which a closed transport is a lost connection."""

    class Tolerant(kind):  # type: ignore[misc, valid-type]
        async def send_packed_command(self, *args: Any, **options: Any) -> None:
            try:
                await super().send_packed_command(*args, **options)
            except RuntimeError as error:
                if _WORDS not in str(error):
                    raise
                raise LostConnection(
                    "the connection was lost before the command was sent"
                ) from error

    return Tolerant
