"""A Redis Cluster as the store sees it: redis-py's client, with a subscription of our own."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Mapping
from typing import Any

import redis.asyncio as redis_asyncio
from redis import exceptions as redis_errors
from redis.asyncio import Connection, SSLConnection
from redis.asyncio.cluster import ClusterNode, RedisCluster

from threadmill_shared.store.mended_connection import mended

_LOST = (redis_errors.ConnectionError, redis_errors.TimeoutError, OSError)
_NO_ROOM = "max number of clients"
"""A node of a cluster says so in words that redis-py does not take for a lost connection."""


class Cluster(RedisCluster):
    """A cluster that cannot be reached is a lost connection, as a single server would be."""

    def __init__(self, nodes: list[ClusterNode], options: Mapping[str, Any]) -> None:
        """A client that connects at its first command.

        Args:
            nodes: some nodes of the cluster; it finds the others.
            options: of connections, to any node.
        """
        super().__init__(startup_nodes=nodes, **options)
        self._options = options
        kind = mended(SSLConnection if options.get("ssl") else Connection)
        self.nodes_manager.connection_kwargs["connection_class"] = kind
        for node in self.nodes_manager.startup_nodes.values():
            node.connection_class = kind

    async def initialize(self, *args: Any, **kwargs: Any) -> Any:
        """Find out which node has which slots.

        Raises:
            ConnectionError: no node answers, or they are not in order yet.
        """
        try:
            return await super().initialize(*args, **kwargs)
        except redis_errors.RedisClusterException as error:
            raise redis_errors.ConnectionError(str(error)) from error

    def pubsub(self, **options: Any) -> Any:  # type: ignore[override]  # any node will do
        """A subscription to channels of the whole cluster."""
        return Subscription(self, options)

    def client_of(self, node: Any) -> redis_asyncio.Redis:
        """A client of one node only."""
        client = redis_asyncio.Redis(host=node.host, port=node.port, **self._options)
        pool: Any = client.connection_pool
        pool.connection_class = mended(pool.connection_class)
        return client


class Subscription:
    """Subscribed at one node: a cluster passes on to all nodes what is published at any of them.

    When that node is lost, another one takes its place, for the same channels. The methods are
    those that are used of redis-py's `PubSub`.
    """

    def __init__(self, cluster: Cluster, options: Mapping[str, Any]) -> None:
        """Nothing is subscribed yet; the options are those of redis-py's `PubSub`."""
        self._cluster = cluster
        self._options = options
        self._channels: dict[str, None] = {}
        self._client: redis_asyncio.Redis | None = None
        self._pubsub: Any = None
        self._lock = asyncio.Lock()

    async def subscribe(self, channel: str) -> None:
        """Hear what is published on this channel from now on."""
        async with self._lock:
            self._channels[channel] = None
            if self._pubsub is None:
                await self._open()
            else:
                await self._at_node(self._pubsub.subscribe(channel))

    async def unsubscribe(self, channel: str) -> None:
        """Hear it no more."""
        async with self._lock:
            self._channels.pop(channel, None)
            if self._pubsub is not None:
                await self._at_node(self._pubsub.unsubscribe(channel))

    async def parse_response(self, *, block: bool, timeout: float) -> Any:
        """The next reply, unchanged; None if nothing arrives in time.

        Raises:
            RuntimeError: nothing is subscribed.
        """
        async with self._lock:
            if not self._channels:
                raise RuntimeError("nothing is subscribed")
            if self._pubsub is None:
                await self._open()
            pubsub = self._pubsub
        return await self._at_node(pubsub.parse_response(block=block, timeout=timeout))

    async def handle_message(self, said: Any) -> Any:
        """What came, as a message."""
        return await self._pubsub.handle_message(said)

    async def get_message(self, *, timeout: float = 0.0) -> Any:
        """The next message; None if nothing arrives in time, or what arrives is not a message."""
        said = await self.parse_response(block=False, timeout=timeout)
        return None if said is None else await self.handle_message(said)

    async def ping(self) -> None:
        """Ask the node whether it is there; its answer comes among the messages."""
        await self._at_node(self._pubsub.ping())

    @property
    def connection(self) -> Subscription:
        """What can be disconnected."""
        return self

    @property
    def node_connection(self) -> Any:
        """The connection to the node; None: there is none."""
        return self._pubsub and self._pubsub.connection

    async def disconnect(self) -> None:
        """Leave the node; the next read subscribes at another one."""
        await self._leave(self._pubsub)

    async def aclose(self) -> None:
        """End the subscription."""
        async with self._lock:
            self._channels.clear()
            await self._leave(self._pubsub)

    async def _open(self) -> None:
        """Subscribe to all channels, at any node."""
        await self._cluster.initialize()
        node = random.choice(self._cluster.get_nodes())  # noqa: S311  so that they share the work
        self._client = self._cluster.client_of(node)
        self._pubsub = self._client.pubsub(**self._options)
        await self._at_node(self._pubsub.subscribe(*self._channels))

    async def _at_node(self, work: Awaitable[Any]) -> Any:
        """Do something at the node, and leave it when it cannot be done there."""
        pubsub = self._pubsub
        try:
            return await work
        except _LOST:
            await self._leave(pubsub)
            raise
        except redis_errors.ResponseError as error:
            if _NO_ROOM not in str(error):
                raise
            await self._leave(pubsub)
            raise redis_errors.ConnectionError(str(error)) from error

    async def _leave(self, pubsub: Any) -> None:
        """Close the connection; unless another one has taken its place already."""
        if pubsub is not self._pubsub:
            return
        client, self._pubsub, self._client = self._client, None, None
        with contextlib.suppress(*_LOST):
            if pubsub is not None:
                await pubsub.aclose()
            if client is not None:
                await client.aclose()
