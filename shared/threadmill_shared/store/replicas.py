"""Whether a replica has what was written, if the primary has replicas.

A failover promotes a replica, and loses what that one had not received. So what must not be lost is
followed by a question: a mark is written behind it, and a replica that has the mark has all that
was written before. A primary that is cut off from its replicas never hears of one.

The question has a connection of its own, since Redis answers it only when a replica has, and what
else is sent there would wait. Those that ask meanwhile share the next one: it costs a process one
round trip at a time, however many runs it executes. A server without replicas is asked nothing.

In a Redis Cluster the mark lies in the run's bucket, and its node's replicas are asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from redis import exceptions as redis_errors
from redis.asyncio.cluster import ClusterNode, RedisCluster

from threadmill_shared.cancellation import cancel_all
from threadmill_shared.log_text import OF_PROCESS
from threadmill_shared.store.connections import StoreClient, is_full, is_passing
from threadmill_shared.store.pipeline import Command

logger = logging.getLogger("threadmill.store")

T = TypeVar("T")

Send = Callable[[Sequence[Command]], Awaitable[list[Any]]]

REPLICA_MS = 500
"""How long a replica has to say that it has received a write."""
MARK_MS = 60_000
KNOWN_SECONDS = 1.0
"""How long it is believed what the server said about its replicas."""
WARNING_SECONDS = 10.0
"""Between two warnings of one process, at least."""


@dataclass(frozen=True)
class ReplicaCheck:
    """A command that tells whether a write is still there, and what it answers then.

    After a failover the question may reach another server than the write did.
    """

    command: tuple[Any, ...]
    answer: Any


class Replicas:
    """Asks the replicas of one server, or in a cluster those of a bucket's node."""

    def __init__(self, client: StoreClient) -> None:
        """Nothing is known yet about replicas."""
        self._client = client
        # Asked once, since the class is a protocol, and Python takes its time to compare.
        self._cluster = client if isinstance(client, RedisCluster) else None
        self._servers: dict[str, _Server] = {}
        self._warned_at = float("-inf")

    async def wait_for_replica(self, mark: str, check: ReplicaCheck | None = None) -> bool:
        """Wait a moment for a replica to have all that was written; True if there are none.

        Args:
            mark: the key of the mark.
            check: what must also be true, if there are or were replicas.
        """
        try:
            is_confirmed = await self._server_of(mark).wait_for_replica(mark, check)
        except (redis_errors.RedisError, redis_errors.RedisClusterException, OSError):
            is_confirmed = False  # whatever was written is written: that must not fail for this
        if not is_confirmed and self._were_seen:
            self._warn()
        return is_confirmed

    async def wait_for_replicas(self, marks: Iterable[str]) -> None:
        """Wait as `wait_for_replica` does, once for each server that has one of these marks."""
        chosen = {self._node_of(mark): mark for mark in marks}
        await asyncio.gather(*map(self.wait_for_replica, chosen.values()))

    def _node_of(self, mark: str) -> Any:
        if self._cluster is not None:
            with contextlib.suppress(redis_errors.RedisError, redis_errors.RedisClusterException):
                return self._cluster.get_node_from_key(mark)
        return None

    def look(self, mark: str) -> None:
        """Begin to ask what is known no more, so that the next wait need not."""
        with contextlib.suppress(redis_errors.RedisError, redis_errors.RedisClusterException):
            self._server_of(mark).look()

    async def close(self) -> None:
        """Give up what has no answer yet."""
        for server in self._servers.values():
            await server.close()

    @property
    def _were_seen(self) -> bool:
        return any(server.were_seen for server in self._servers.values())

    def _server_of(self, mark: str) -> _Server:
        name, send = "", partial(_send, self._client)
        if self._cluster is not None:
            node = self._cluster.get_node_from_key(mark)
            if node is None:
                raise redis_errors.ClusterDownError("no node has the bucket")
            name, send = node.name, partial(_send_to_node, node)
        if name not in self._servers:
            # One that was promoted may have no replicas, and lack what was written to another one.
            self._servers[name] = _Server(send, were_seen=self._were_seen)
        return self._servers[name]

    def _warn(self) -> None:
        if time.monotonic() - self._warned_at > WARNING_SECONDS:
            self._warned_at = time.monotonic()
            logger.warning(
                "no Redis replica has confirmed the latest writes; tool calls wait, and other "
                "writes may be lost in a failover",
                extra=OF_PROCESS,
            )


class _Server:
    """One server, whose replicas are asked."""

    def __init__(self, send: Send, *, were_seen: bool) -> None:
        """A server to which commands are sent over one connection.

        Args:
            send: returns the answers, or the errors that came in place of some of them.
            were_seen: whether there have been replicas anywhere.
        """
        self.were_seen = were_seen
        self._send = send
        self._can_ask = True
        self._needed = 0
        self._read_at = float("-inf")
        self._reading: asyncio.Future[None] | None = None
        self._question: asyncio.Future[list[Any]] | None = None
        """The one that is not sent yet."""
        self._checks: list[ReplicaCheck] = []
        """What it asks besides."""
        self._asking = asyncio.Lock()
        self._work: set[asyncio.Future[Any]] = set()

    async def wait_for_replica(self, mark: str, check: ReplicaCheck | None) -> bool:
        """Wait a moment for a replica to have all that was written; True if there are none."""
        is_confirmed = False
        try:
            is_confirmed = await self._ask_for_confirmation(mark, check)
        finally:
            if not is_confirmed:
                self._read_at = float("-inf")  # the replica may have left
        return is_confirmed

    def look(self) -> asyncio.Future[None] | None:
        """Begin to learn whether there are replicas, if that is not known; None: it is."""
        if not self._can_ask or time.monotonic() - self._read_at <= KNOWN_SECONDS:
            return None
        if self._reading is None or self._reading.done():
            self._reading = self._begin(self._read_replication())
        return self._reading

    async def close(self) -> None:
        """Give up what has no answer yet."""
        await cancel_all(self._work)

    async def _ask_for_confirmation(self, mark: str, check: ReplicaCheck | None) -> bool:
        if (reading := self.look()) is not None:
            await asyncio.shield(reading)
        if not self._can_ask or not self.were_seen or (check is None and not self._needed):
            return True
        if self._question is None:
            self._question = self._begin(self._ask(mark))
        place = len(self._checks)
        if check is not None:
            self._checks.append(check)
        marked, *found, reached = await asyncio.shield(self._question)
        is_there = check is None or found[place] == check.answer
        return self._is_reached(marked, reached) and is_there

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Begin what several may wait for; none of them ends it by giving up."""
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: asyncio.Future[Any]) -> None:
        self._work.discard(task)
        if not task.cancelled():
            task.exception()  # those that still wait are told

    async def _ask(self, mark: str) -> list[Any]:
        async with self._asking:
            # Who comes from here on has written later, and asks again.
            checks, self._checks, self._question = self._checks, [], None
            write = ("SET", mark, secrets.token_hex(4), "PX", MARK_MS)
            wait = ("WAIT", self._needed, REPLICA_MS)
            return await self._send([write, *(one.command for one in checks), wait])

    def _is_reached(self, marked: Any, reached: Any) -> bool:
        for answer in (marked, reached):
            if isinstance(answer, Exception):
                if _is_passing(answer):
                    raise answer
                self._can_ask = False
                logger.warning(
                    "cannot ask Redis whether its replicas have the latest writes (%s); a "
                    "failover may lose the record that a tool call has begun",
                    answer,
                    extra=OF_PROCESS,
                )
                return True
        return int(reached) >= self._needed

    async def _read_replication(self) -> None:
        """Learn whether there are replicas."""
        [found] = await self._send([("INFO", "replication")])
        if isinstance(found, Exception):
            if _is_passing(found):
                raise found
            found = {}  # an ACL may forbid INFO
        self._read_at = time.monotonic()
        # A primary that has become a replica has to be asked too: it refuses the mark.
        is_replica = found.get("role", "master") != "master"
        self._needed = 1 if is_replica or has_replicas(found) else 0
        self.were_seen = self.were_seen or self._needed > 0


async def _send(client: StoreClient, commands: Sequence[Command]) -> list[Any]:
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    answers: list[Any] = await pipeline.execute(raise_on_error=False)
    return answers


async def _send_to_node(node: ClusterNode, commands: Sequence[Command]) -> list[Any]:
    connection = node.acquire_connection()
    try:
        await connection.send_packed_command(connection.pack_commands(commands))
        return [await _answer(node, connection, command) for command in commands]
    except BaseException:
        await connection.disconnect()  # answers that were not read would be taken for others
        raise
    finally:
        node.release(connection)


async def _answer(node: ClusterNode, connection: Any, command: Command) -> Any:
    try:
        return await node.parse_response(connection, command[0])
    except redis_errors.ResponseError as error:
        return error


def _is_passing(error: Exception) -> bool:
    # A bucket that has moved is asked for at its new node, once the client knows it.
    return is_passing(error) or is_full(error) or isinstance(error, redis_errors.AskError)


def has_replicas(replication: Mapping[str, Any]) -> bool:
    """Whether one receives what is written, by `INFO replication`.

    One that still loads the primary's data does not count: nothing could begin until it has them.
    """
    listed = [
        value
        for name, value in replication.items()
        if name.startswith("slave") and isinstance(value, dict)
    ]
    if listed:
        return any(replica.get("state") == "online" for replica in listed)
    return int(replication.get("connected_slaves", 0)) > 0
