"""Connections to the store: one URL form for each way to run Redis.

`redis://`, `rediss://`, `unix://` (one server), `redis+sentinel://h1:26379,h2/service/0`, and
`redis+cluster://h1:6379,h2`. redis-py repeats commands by default, scripts too; that is off here,
because only the caller knows whether a repeat is the same call.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import redis.asyncio as redis_asyncio
from redis import exceptions as redis_errors
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from threadmill_shared import errors
from threadmill_shared.cluster import Cluster

StoreClient = Any
"""A `redis.asyncio.Redis` or a `Cluster`; both know `execute_command`, `pipeline`, `pubsub`."""

PASSING = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.BusyLoadingError,
    redis_errors.ReadOnlyError,
    redis_errors.TryAgainError,
    redis_errors.ClusterDownError,
    redis_errors.SlotNotCoveredError,
    OSError,
)
"""Failures after which the identical call is sent again: its answer may have been lost."""

_PASSING_WORDS = (
    "NOREPLICAS",
    "MISCONF",
    "MASTERDOWN",
    "READONLY",
    "BUSY ",
    "max number of clients",
)
_FULL_WORDS = ("OOM ", "-OOM")

ANSWER_SECONDS = 5.0
"""How long one command may take before its connection is given up."""
CONNECT_SECONDS = 3.0
MAX_CONNECTIONS = 64


def is_passing(error: BaseException) -> bool:
    """Whether the identical call may succeed later: the server is away, or refuses for a time."""
    if isinstance(error, PASSING):
        return True
    return isinstance(error, redis_errors.ResponseError) and _says(error, _PASSING_WORDS)


def is_full(error: BaseException) -> bool:
    """Whether the server refused because it is out of memory."""
    if isinstance(error, redis_errors.OutOfMemoryError):
        return True
    # Redis 6.2 wraps the refusal of a script in an error of its own.
    return isinstance(error, redis_errors.ResponseError) and _says(error, _FULL_WORDS)


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    return any(word in str(error) for word in words)


def connect(url: str, **options: Any) -> StoreClient:
    """A client for the URL; it connects at its first command.

    Raises:
        NotConfigured: the URL has a form that is not known.
    """
    shared: dict[str, Any] = {
        "decode_responses": True,
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        **options,
    }
    scheme = url.partition("://")[0]
    if scheme == "redis+sentinel":
        return _through_sentinel(url, shared)
    if scheme == "redis+cluster":
        return _to_cluster(url, shared)
    if scheme == "unix":
        shared.pop("socket_keepalive")
    elif scheme not in ("redis", "rediss"):
        raise errors.NotConfigured(
            f"A Redis URL begins with redis://, rediss://, unix://, redis+sentinel:// or "
            f"redis+cluster://, not with {scheme}://."
        )
    _refuse_bad_address(url)
    pool = BlockingConnectionPool.from_url(
        url, max_connections=MAX_CONNECTIONS, timeout=ANSWER_SECONDS, **shared
    )
    return redis_asyncio.Redis.from_pool(pool)


def _refuse_bad_address(url: str) -> None:
    """Find out what redis-py would find out late, or not at all: it takes `/abc` for database 0."""
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError as error:
        raise errors.NotConfigured(f"The Redis URL has no valid port: {error}.") from None
    database = parts.path.strip("/")
    if parts.scheme != "unix" and database and not database.isdigit():
        raise errors.NotConfigured(
            f"The Redis URL ends with the number of a database, like /0, and not with /{database}."
        )


def is_cluster(client: StoreClient) -> bool:
    """Whether one call may only touch keys of one slot."""
    return hasattr(client, "get_primaries")


async def memory(client: StoreClient) -> list[dict[str, Any]]:
    """What `INFO memory` says: of the server, or of each node of a cluster that holds keys."""
    if not is_cluster(client):
        return [await client.info("memory")]
    await client.initialize()
    return [await client.info("memory", target_nodes=node) for node in client.get_primaries()]


def _through_sentinel(url: str, shared: dict[str, Any]) -> StoreClient:
    parts = urlsplit(url)
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise errors.NotConfigured(
            "A Sentinel URL names the service: redis+sentinel://host1,host2/service/0."
        )
    make: Any = Sentinel  # has no types
    to_sentinels = {
        "socket_timeout": CONNECT_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        # By default one that is down would be tried for seconds before the next one is asked.
        "retry": Retry(NoBackoff(), 0),
    }
    sentinel = make(_hosts(parts.netloc, 26379), sentinel_kwargs=to_sentinels, **shared)
    return sentinel.master_for(
        service,
        connection_pool_class=_PrimaryPool,
        max_connections=MAX_CONNECTIONS,
        timeout=ANSWER_SECONDS,
        db=int(database or 0),
        **_login(parts.netloc),
    )


class _PrimaryPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to whichever server the sentinels call the primary.

    redis-py's own pool for Sentinel raises where all connections are in use. This one waits, as the
    one for a single server does.
    """

    async def aclose(self) -> None:
        """Close the connections, those to the sentinels too."""
        await super().aclose()
        await self.sentinel_manager.aclose()


def _to_cluster(url: str, shared: dict[str, Any]) -> StoreClient:
    parts = urlsplit(url)
    nodes = [ClusterNode(host, port) for host, port in _hosts(parts.netloc, 6379)]
    return Cluster(nodes, shared | _login(parts.netloc))


def _hosts(netloc: str, default_port: int) -> list[tuple[str, int]]:
    hosts = []
    for address in netloc.rpartition("@")[2].split(","):
        host, _, port = address.partition(":")
        hosts.append((host, int(port or default_port)))
    return hosts


def _login(netloc: str) -> dict[str, str]:
    user, _, password = netloc.rpartition("@")[0].partition(":")
    found = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in found.items() if value}
