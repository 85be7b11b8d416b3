"""What the server says of the workers: who is registered, has a lease, and is connected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis import exceptions as redis_errors

from threadmill_shared.records.run import field_map
from threadmill_shared.records.workers import Seen, WorkerInfo
from threadmill_shared.store.connections import is_cluster
from threadmill_shared.store.server_info import info_field
from threadmill_shared.store.session import Session


@dataclass(frozen=True)
class WorkerScan:
    """What the server said at one time."""

    at: float
    """By the caller's clock."""
    server: str
    registered: dict[str, str]
    """Registrations by worker."""
    workers: list[WorkerInfo]
    """The same, read."""
    without_lease: frozenset[str]
    asked: frozenset[int]
    """The connections that the server was asked for."""
    connected: frozenset[int]
    """Those of them that it lists."""

    def disconnected(self) -> frozenset[str]:
        """The workers whose connection the list would have, and does not."""
        return frozenset(w.id for w in self.workers if w.seen and self._is_gone(w.seen))

    def _is_gone(self, seen: Seen) -> bool:
        return seen.server == self.server and seen.client in self.asked - self.connected


class WorkerScanner:
    """Asks the server about the workers, several times a second."""

    def __init__(self, session: Session) -> None:
        self._keys = session.keys
        self._runner = session.runner
        # The nodes of a cluster have lists of their own; no worker is registered with one there.
        self._may_ask = not is_cluster(session.client)
        self._registered: dict[str, str] = {}
        self._workers: list[WorkerInfo] = []

    async def scan(
        self, known: Sequence[WorkerInfo], holders: Iterable[str], *, at: float
    ) -> WorkerScan:
        """Ask, in one round trip, for all workers, and for the leases and connections of some.

        Args:
            known: the workers whose leases and connections are asked for.
            holders: workers that are known to hold runs.
            at: what the time is, by the caller's clock.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        try:
            return await self._ask(known, holders, at)
        except redis_errors.ResponseError:
            if not self._may_ask:
                raise
            self._may_ask = False  # an ACL or a proxy forbids it; from now on leases alone decide
            return await self._ask(known, holders, at)

    async def server_id(self) -> str:
        """The server's identity; empty if it may not be asked for."""
        if not self._may_ask:
            return ""
        try:
            return server_id(await self._runner.command("INFO", "server"))
        except redis_errors.ResponseError:
            return ""

    async def _ask(
        self, known: Sequence[WorkerInfo], holders: Iterable[str], at: float
    ) -> WorkerScan:
        ids = [worker.id for worker in known]
        clients = [one.seen.client for one in known if one.seen and self._may_ask]
        registered, listed, info, leases = await self._runner.ask(
            [
                ("HGETALL", self._keys.alive()),
                ("CLIENT", "LIST", "ID", *clients) if clients else ("PING",),
                ("INFO", "server") if self._may_ask else ("PING",),
                ("MGET", *map(self._keys.lease, ids)) if ids else ("PING",),
            ]
        )
        found = zip(ids, leases if ids else [], strict=True)
        without_lease = {id for id, lease in found if lease is None}
        registrations = field_map(registered)
        unregistered = set(holders) - registrations.keys()
        connected = re.findall(r"^id=(\d+) ", str(listed), re.MULTILINE)
        return WorkerScan(
            at=at,
            server=server_id(info),
            registered=registrations,
            workers=self._read(registrations),
            without_lease=frozenset(without_lease & registrations.keys() | unregistered),
            asked=frozenset(clients),
            connected=frozenset(map(int, connected)),
        )

    def _read(self, registered: dict[str, str]) -> list[WorkerInfo]:
        """Read the registrations, which change more rarely than they are looked at."""
        if registered != self._registered:
            self._workers = [WorkerInfo.read(id, text) for id, text in registered.items()]
            self._registered = registered
        return self._workers


def server_id(info: Any) -> str:
    """The server's identity, which changes with a restart and with a failover; empty: not told."""
    return info_field(info, "run_id")
