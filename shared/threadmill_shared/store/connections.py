"""Connections to the store: one URL form for each way to run Redis.

`redis://`, `unix://` (one server), `redis+sentinel://h1:26379,h2/service/0`, and
`redis+cluster://h1:6379,h2`; with TLS `rediss://`, `rediss+sentinel://`, `rediss+cluster://`.
redis-py repeats commands by default, scripts too; that is off here, because only the caller knows
whether a repeat is the same call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import redis.asyncio as redis_asyncio
from redis import exceptions as redis_errors
from redis.asyncio import (
    BlockingConnectionPool,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from threadmill_shared.servers.tls import check_tls, explain
from threadmill_shared.servers.url import ServerUrl, parse
from threadmill_shared.store.cluster import Cluster
from threadmill_shared.store.mended_connection import mended

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
    "UNBLOCKED",  # a primary has become a replica while a command was waiting
)
_FULL_WORDS = ("OOM ", "-OOM")

REPEATABLE = "; a call that may have been carried out is safe to repeat"
"""What they are told who have changed something and got no answer."""

ANSWER_SECONDS = 5.0
"""How long one command may take before its connection is given up."""
CONNECT_SECONDS = 3.0
MAX_CONNECTIONS = 64
_DEFAULTS: dict[str, Any] = {
    "decode_responses": True,
    "socket_timeout": ANSWER_SECONDS,
    "socket_connect_timeout": CONNECT_SECONDS,
    "socket_keepalive": True,
    "retry": Retry(NoBackoff(), 0),
}


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


def is_unknown_script(error: BaseException) -> bool:
    """Whether the server does not have the script: the call is sent again with its text."""
    return isinstance(error, redis_errors.NoScriptError)


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    return any(word in str(error) for word in words)


def connect(url: str, **options: Any) -> StoreClient:
    """A client for the URL; it connects at its first command.

    Args:
        url: as THREADMILL_REDIS_URL has it.
        options: of its connections; they come before those of the URL.

    Raises:
        NotConfigured: the URL cannot be read, or a file that it names cannot.
    """
    return connect_to(parse(url), **options)


def connect_to(server: ServerUrl, **options: Any) -> StoreClient:
    """A client for a URL that was parsed already; as `connect`.

    Raises:
        NotConfigured: a file that it names cannot be read.
    """
    check_tls(server)
    shared = _DEFAULTS | dict(server.options) | server.login | options
    pool = {
        "max_connections": shared.pop("max_connections", MAX_CONNECTIONS),
        "timeout": shared.pop("timeout", ANSWER_SECONDS),
    }
    if server.kind == "sentinel":
        return _through_sentinel(server, shared, pool)
    if server.kind == "cluster":
        return _to_cluster(server, shared | {"max_connections": pool["max_connections"]})
    of_pool: Any = BlockingConnectionPool(**pool, **_place(server), db=server.database, **shared)
    return redis_asyncio.Redis.from_pool(of_pool)


def _place(server: ServerUrl) -> dict[str, Any]:
    if server.kind == "unix":
        return {"connection_class": mended(_SocketConnection), "path": server.path}
    [(host, port)] = server.hosts
    kind = Connection if server.tls is None else SSLConnection
    return {"connection_class": mended(kind), "host": host, "port": port, **(server.tls or {})}


class _SocketConnection(UnixDomainSocketConnection):
    """A connection to a Unix socket; it takes the options of others, and needs no keepalive."""

    def __init__(self, *, socket_keepalive: bool = True, **options: Any) -> None:  # noqa: ARG002
        super().__init__(**options)


def _secured(server: ServerUrl) -> dict[str, Any]:
    """What clients, rather than connections, take for TLS."""
    return {} if server.tls is None else {"ssl": True, **server.tls}


def is_cluster(client: StoreClient) -> bool:
    """Whether one call may only touch keys of one slot."""
    return hasattr(client, "get_primaries")


async def memory(client: StoreClient) -> list[dict[str, Any]]:
    """What `INFO memory` says: of the server, or of each node of a cluster that holds keys."""
    if not is_cluster(client):
        return [await client.info("memory")]
    await client.initialize()
    return [await client.info("memory", target_nodes=node) for node in client.get_primaries()]


async def subscribers(client: StoreClient, channels: Sequence[str]) -> Counter[str]:
    """How many connections are subscribed to each channel, at all nodes of a cluster together."""
    found: Counter[str] = Counter()
    await client.initialize()
    for node in client.get_nodes():
        for channel, count in await client.pubsub_numsub(*channels, target_nodes=node):
            found[channel] += count
    return found


def _through_sentinel(
    server: ServerUrl, shared: dict[str, Any], pool: dict[str, Any]
) -> StoreClient:
    make: Any = _Sentinels  # has no types
    login = {name: shared.pop(name) for name in ("username", "password") if name in shared}
    to_sentinels = {
        "socket_timeout": CONNECT_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        # By default one that is down would be tried for seconds before the next one is asked.
        "retry": Retry(NoBackoff(), 0),
        **_secured(server),
    }
    sentinel = make(server.hosts, sentinel_kwargs=to_sentinels, **shared, **_secured(server))
    client: redis_asyncio.Redis = sentinel.master_for(
        server.service, connection_pool_class=_PrimaryPool, **pool, db=server.database, **login
    )
    for one in (client, *sentinel.sentinels):
        one.connection_pool.connection_class = mended(one.connection_pool.connection_class)
    return client


class _Sentinels(Sentinel):
    """Sentinels that say why none of them could be asked, if TLS is the reason."""

    async def discover_master(self, service_name: str) -> Any:
        """Ask for the primary's address.

        Raises:
            ConnectionError: TLS to a sentinel fails.
            MasterNotFoundError: none of them knows a primary.
        """
        make: Any = super()
        try:
            return await make.discover_master(service_name)
        except MasterNotFoundError:
            if not self.sentinel_kwargs.get("ssl"):
                raise
        # redis-py has kept the names of the errors alone, and all options of each connection.
        for sentinel in self.sentinels:
            try:
                await sentinel.ping()
            except (redis_errors.ConnectionError, redis_errors.TimeoutError) as error:
                if explain(error) is not None:
                    raise
        raise MasterNotFoundError(f"No sentinel knows a primary of {service_name!r}.")


class _PrimaryPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to whichever server the sentinels call the primary.

    redis-py's own pool for Sentinel raises if all connections are in use. This one waits, as the
    one for a single server does.
    """

    async def aclose(self) -> None:
        """Close the connections, those to the sentinels too."""
        await super().aclose()
        await self.sentinel_manager.aclose()


def _to_cluster(server: ServerUrl, shared: dict[str, Any]) -> StoreClient:
    nodes = [ClusterNode(host, port) for host, port in server.hosts]
    return Cluster(nodes, shared | _secured(server))
