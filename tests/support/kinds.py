"""A server of each kind that the store is tested with, started at its first use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.servers import RedisServer, is_in_order
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
        wait_until(lambda: all(map(_is_in_order, self.nodes)), "the cluster is in order", 30)

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


def _is_in_order(node: RedisServer) -> bool:
    with node.connected() as client:
        known = client.execute_command("CLUSTER INFO")["cluster_known_nodes"]
        return known == str(NODES) and is_in_order(client)


class Servers:
    """Starts a server of each kind at its first use; all end with the `with` block."""

    def __init__(self, make_folder: Callable[[str], Path]) -> None:
        self._make_folder = make_folder
        self._running: dict[str, RedisServer | ClusterServer] = {}
        self._open = contextlib.ExitStack()

    def get(self, kind: str) -> RedisServer | ClusterServer:
        """The server of this kind.

        Raises:
            FileNotFoundError: this machine has none.
        """
        if kind not in self._running:
            make = ClusterServer if kind == "cluster" else RedisServer
            self._running[kind] = self._open.enter_context(make(self._make_folder(kind), kind))
        return self._running[kind]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._open.close()
