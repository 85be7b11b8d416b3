"""Reads what Redis servers say about themselves, for a diagnosis. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from redis import exceptions as redis_errors

from threadmill_shared.records.server_report import ServerReport
from threadmill_shared.servers.url import ServerUrl, parse
from threadmill_shared.store.connections import StoreClient, connect_to, is_cluster

SETTINGS = (
    "appendonly",
    "appendfsync",
    "save",
    "protected-mode",
    "bind",
    "min-replicas-to-write",
    "stop-writes-on-bgsave-error",
)
"""None of them is a secret."""

_NO_SCRIPT = "0" * 40


def harmless_commands(key: str, channel: str) -> list[tuple[Any, ...]]:
    """A call of each command that threadmill uses, which reads nothing or is invalid.

    Redis checks the user's rights first: a command that is allowed says what is invalid.

    Args:
        key: a key that does not exist, with the namespace's prefix.
        channel: a channel that nobody listens to, with the namespace's prefix.
    """
    no_number = "-"
    return [
        ("EVALSHA", _NO_SCRIPT, 1, key),
        ("EVAL", "return 1 +", 1, key),
        *((name, key) for name in ("GET", "HGETALL", "HKEYS", "ZCARD", "EXISTS", "PTTL", "XLEN")),
        *(
            (name, key)
            for name in ("UNLINK", "DEL", "PERSIST", "SMEMBERS", "ZPOPMIN", "TTL", "HLEN")
        ),
        ("MGET", key),
        ("TIME",),
        ("PUBLISH", channel, ""),
        *((name, key, key) for name in ("RENAME", "COPY")),
        ("PUBSUB", "NUMSUB"),
        ("SCAN", no_number),
        ("SET", key, "", "NX", "XX"),
        *((name, key, no_number) for name in ("EXPIRE", "PEXPIRE", "PEXPIREAT")),
        *((name, key, "x") for name in ("HGET", "HMGET", "HEXISTS", "HDEL", "ZSCORE", "ZRANK")),
        *((name, key, "x") for name in ("ZREM", "SMISMEMBER", "XDEL")),
        ("HSET", key, "x", "x", "x"),
        ("HINCRBY", key, "x", no_number),
        ("ZADD", key, no_number, "x"),
        *((name, key, no_number, no_number) for name in ("ZRANGE", "ZREVRANGE")),
        *((name, key, no_number, no_number) for name in ("ZRANGEBYSCORE", "ZREMRANGEBYSCORE")),
        *((name, key, no_number, no_number) for name in ("ZREVRANGEBYSCORE", "ZCOUNT")),
        ("ZRANDMEMBER", key, 1),
        ("XADD", key, "0-0", "x", "x"),
        *((name, key, "x", "x") for name in ("XRANGE", "XREVRANGE")),
    ]


def harmless_celery_commands(queue: str) -> list[tuple[Any, ...]]:
    """The same for what Celery does with a broker on Redis, with the keys that it writes.

    Args:
        queue: one that exists or not; no message is taken from it.
    """
    nothing = "no such member"
    return [
        ("BRPOP", queue, "-"),
        ("LLEN", queue),
        ("HDEL", "unacked", nothing),
        ("ZREM", "unacked_index", nothing),
        ("SET", "unacked_mutex", "", "NX", "XX"),
        ("SREM", "_kombu.binding.celery.pidbox", nothing),
        ("ZREM", "_kombu.binding_deadlines", nothing),
    ]


class ServerReader:
    """Reads the servers that a URL leads to."""

    def __init__(self, url: str, *, seconds: float, clock: Callable[[], float]) -> None:
        """Nothing is connected yet.

        Args:
            url: as `THREADMILL_REDIS_URL` has it.
            seconds: how long a connection or an answer may take.
            clock: this machine's, in seconds since the epoch.

        Raises:
            NotConfigured: the URL cannot be read.
        """
        self.server = parse(url)
        names = ("timeout", "socket_timeout", "socket_connect_timeout")
        self._limits = dict.fromkeys(names, seconds)
        self._client: StoreClient = connect_to(self.server, **self._limits)
        self._clock = clock

    async def ping(self) -> None:
        """See that it answers, and takes the login; what redis-py raises is not caught.

        Not by PING, which is refused while the server cannot write to its disk.
        """
        await _allowed(
            self._client.execute_command("TIME"), None, only=redis_errors.NoPermissionError
        )

    async def read(self, tried: Sequence[tuple[Any, ...]]) -> list[ServerReport]:
        """Read each server; what redis-py raises for a lost connection is not caught.

        Args:
            tried: harmless calls that the user must have a right for.
        """
        client = self._client
        if not is_cluster(client):
            return [await self._report(client, address_of(self.server), tried)]
        await client.initialize()
        reports = []
        for node in client.get_primaries():
            one = client.client_of(node)
            try:
                reports.append(await self._report(one, f"{node.host}:{node.port}", tried))
            finally:
                await one.aclose()
        return reports

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _report(
        self, client: Any, address: str, tried: Sequence[tuple[Any, ...]]
    ) -> ServerReport:
        offset, error = await self._offset(client)
        info = await _allowed(client.info(), {})
        return ServerReport(
            address=address,
            info=info,
            config=await _settings(client),
            clock_offset=offset,
            clock_error=error,
            forbidden=await _forbidden(client, tried),
            is_open=await self._is_open(),
        )

    async def _offset(self, client: Any) -> tuple[float | None, float]:
        """How far the server's clock is ahead, and by how much that may be wrong."""
        before = self._clock()
        found = await _allowed(client.execute_command("TIME"), None)
        after = self._clock()
        if found is None:
            return None, 0.0
        seconds, microseconds = (int(one) for one in found)
        return seconds + microseconds / 1e6 - (before + after) / 2, (after - before) / 2

    async def _is_open(self) -> bool | None:
        """Whether a client without a login is served; only of a single server."""
        if self.server.kind not in ("single", "unix"):
            return None
        if not self.server.login:
            return True
        anonymous = connect_to(replace(self.server, username="", password=""), **self._limits)
        try:
            return bool(await anonymous.ping())
        except (redis_errors.AuthenticationError, redis_errors.ResponseError):
            return False
        except (redis_errors.RedisError, OSError):
            return None
        finally:
            await anonymous.aclose()


def address_of(server: ServerUrl) -> str:
    """A server's address without its login."""
    return server.path or ",".join(f"{host}:{port}" for host, port in server.hosts)


async def _allowed(
    work: Any, otherwise: Any, *, only: type[Exception] = redis_errors.ResponseError
) -> Any:
    """What a command says; something else if the user has no right for it, or it is disabled."""
    try:
        return await work
    except only:
        return otherwise


async def _settings(client: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in SETTINGS:
        found |= await _allowed(client.config_get(name), {})
    return found


async def _forbidden(client: Any, tried: Sequence[tuple[Any, ...]]) -> tuple[str, ...]:
    """The commands for which the user has no right, one call for each."""
    pipeline = client.pipeline(transaction=False)
    for command in tried:
        pipeline.execute_command(*command)
    replies: Sequence[Any] = await pipeline.execute(raise_on_error=False)
    found = (
        str(command[0])
        for command, reply in zip(tried, replies, strict=True)
        if isinstance(reply, redis_errors.NoPermissionError)
    )
    return tuple(dict.fromkeys(found))
