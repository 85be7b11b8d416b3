"""Replies that have come already, taken from where they are buffered.

redis-py passes each reply through half a dozen coroutines, and some through a log line, also if it
came in one packet with the one before. For a reply of a few bytes that takes several times as long
as to parse it. What is taken here are the parser's own replies; if redis-py keeps them elsewhere,
nothing is taken, and they are read one by one.
"""

from __future__ import annotations

from typing import Any

import hiredis
from redis import exceptions as redis_errors

try:
    from redis._parsers.hiredis import NOT_ENOUGH_DATA
except ImportError:  # a later redis-py
    NOT_ENOUGH_DATA = None


async def take_buffered(connection: Any, most: int, *, has_messages: bool = False) -> list[Any]:
    """Replies that need not be waited for, as `connection.read_response` would return them.

    An error that a command has caused is among them.

    Args:
        connection: one of redis-py's.
        most: how many are taken at most.
        has_messages: whether messages of channels are taken, too, as replies.

    Raises:
        ConnectionError: the server has said that it cannot serve.
    """
    parser = getattr(connection, "_parser", None)
    reader = getattr(parser, "_reader", None)
    found: list[Any] = []
    if NOT_ENOUGH_DATA is None or not isinstance(reader, hiredis.Reader):
        return found
    while len(found) < most:
        reply = reader.gets()
        if reply is NOT_ENOUGH_DATA:
            break
        if isinstance(reply, redis_errors.ConnectionError):
            raise reply
        if has_messages or not isinstance(reply, hiredis.PushNotification):
            found.append(reply)
        elif parser is not None:
            await parser.handle_push_response(reply)
    return found
