"""Redis Clusters: of three nodes, and of one shard with a replica."""

from __future__ import annotations

import contextlib
import os
import signal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

NODES = 3
SLOTS = 16_384


class ClusterServer:
    """A cluster of three servers without replicas, all slots divided among them."""

    def __init__(self, folder: Path, kind: str | None = None) -> None:
        self.nodes = [_node(folder / str(number), kind) for number in range(NODES)]

    def url(self) -> str:
        return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in self.nodes)}"

    def fresh_database(self) -> str:
        """The URL, after everything is deleted: a cluster has one database only."""
        for node in self.nodes:
            with node.connected() as client:
                client.flushall()
        return self.url()

    def version(self) -> str:
        return f"{NODES} nodes of {self.nodes[0].version()}"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as started:
            for node in self.nodes:
                started.enter_context(node)
            self._divide_slots()
            self._introduce()
            self.wait_in_order()
            started.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for node in self.nodes:
            node.stop()

    def wait_in_order(self) -> None:
        """Wait until each node knows of all others, and takes commands."""
        wait_until(lambda: all(map(_knows_all, self.nodes)), "the cluster is in order", 30)

    def _divide_slots(self) -> None:
        limits = [SLOTS * number // NODES for number in range(NODES + 1)]
        for number, node in enumerate(self.nodes):
            with node.connected() as client:
                slots = range(limits[number], limits[number + 1])
                client.execute_command("CLUSTER", "ADDSLOTS", *slots)
                # Nodes that claim to be of one age would first have to agree on who is older.
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)

    def _introduce(self) -> None:
        first, *others = self.nodes
        for node in others:
            with node.connected() as client:
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", first.port, first.bus_port)


def _node(folder: Path, kind: str | None) -> RedisServer:
    folder.mkdir()
    return RedisServer(folder, kind, cluster=True)


def _knows_all(node: RedisServer) -> bool:
    with node.connected() as client:
        known = client.execute_command("CLUSTER INFO")["cluster_known_nodes"]
        return known == str(NODES) and is_in_order(client)


class ClusterOfOneShard:
    """The smallest Redis Cluster: a node that has all slots, and one that follows it."""

    def __init__(self, folder: Path) -> None:
        options = ("--cluster-enabled", "yes", "--repl-diskless-sync-delay", "0")
        for name in ("primary", "replica"):
            (folder / name).mkdir()
        self.primary = RedisServer(folder / "primary", options=options)
        self.replica = RedisServer(folder / "replica", options=options)

    def __enter__(self) -> Self:
        self.primary.start()
        self.replica.start()
        with self._client(self.primary) as primary, self._client(self.replica) as replica:
            primary.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            replica.execute_command("CLUSTER MEET", "127.0.0.1", self.primary.port)
            node = primary.execute_command("CLUSTER MYID")
            wait_until(lambda: _replicates(replica, node), "the nodes know each other", 20)
            wait_until(lambda: primary.info("replication").get("slave0"), "it is replicated", 20)
            for one in (primary, replica):
                wait_until(partial(is_in_order, one), "the cluster takes commands", 20)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        os.kill(self.replica.pid, signal.SIGCONT)
        self.replica.stop()
        self.primary.stop()

    def url(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.primary.port}"

    def pause_replica(self) -> None:
        os.kill(self.replica.pid, signal.SIGSTOP)

    def _client(self, server: RedisServer) -> contextlib.closing[redis.Redis]:
        return contextlib.closing(redis.Redis(port=server.port))


def is_in_order(node: Any) -> bool:
    """Whether this node of a cluster finds that the cluster can work."""
    return bool(node.execute_command("CLUSTER INFO")["cluster_state"] == "ok")


def _replicates(client: redis.Redis, node: bytes) -> bool:
    try:
        return bool(client.execute_command("CLUSTER REPLICATE", node))
    except redis.ResponseError:  # it does not know that node yet
        return False
