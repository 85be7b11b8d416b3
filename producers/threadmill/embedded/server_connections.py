"""Connections to an embedded server."""

from __future__ import annotations

from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from threadmill.embedded import supervisor

_ANSWER_SECONDS = 2.0


def hold(url: str) -> redis.Redis:
    """A connection that is open: a server with a client does not end itself."""
    client = redis.Redis.from_url(url)
    client.ping()
    return client


def answers(socket: Path) -> bool:
    """Whether a server answers at this socket."""
    client = redis.Redis(unix_socket_path=str(socket), socket_timeout=_ANSWER_SECONDS)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def shut_down_unused(socket: Path) -> bool:
    """End the server unless somebody else is connected; returns whether it has ended."""
    client = redis.Redis(
        unix_socket_path=str(socket),
        socket_timeout=_ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        own = client.client_id()
        if any(int(c["id"]) != own and c["name"] != supervisor.NAME for c in client.client_list()):
            return False
        client.shutdown(nosave=True)
    except redis.RedisError:
        return not answers(socket)
    finally:
        client.close()
    return True
