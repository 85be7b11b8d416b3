"""The connection on which a worker beats; that it is gone is how others see that the worker is.

A server sees within milliseconds that a killed process's connection has closed, long before a key
expires. So the connection has a name, and the worker proves at each beat that the server lists the
connection under that name. If it cannot (a cluster, an ACL, a proxy), nobody may conclude
anything from the list.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from redis import exceptions as redis_errors

from threadmill_shared.records.worker_death import WorkerDeath, deaths_in
from threadmill_shared.records.workers import Seen
from threadmill_shared.store.connections import StoreClient, connect
from threadmill_shared.store.keys import Keys
from threadmill_shared.store.scripts.loader import Command, ScriptCall
from threadmill_shared.store.scripts.workers import WorkerScripts
from threadmill_shared.store.worker_scanner import server_id


class HeartbeatConnection(ABC):
    """A connection over which one worker at a time beats."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._scripts = WorkerScripts(keys)

    async def register(
        self,
        worker: str,
        registration: str,
        *,
        known: str,
        tools: Sequence[str],
        lease_ms: int,
        tools_ms: int,
    ) -> str:
        """Register a worker; returns a word of `register.lua`.

        Args:
            worker: its id.
            registration: what others may know of it.
            known: the registrations that it may have already, one a line.
            tools: what it can execute, as other processes look it up.
            lease_ms: how long it is taken for alive without a beat.
            tools_ms: how long its tools are known without a beat.

        Raises:
            ConnectionError: the server is away.
            ResponseError: it refused the command.
        """
        call = self._scripts.register(
            worker=worker,
            known=known,
            registration=registration,
            lease_ms=lease_ms,
            tools_ms=tools_ms,
            rest=tools,
        )
        return await self._run(call)

    async def renew_lease(
        self, worker: str, registration: str, *, lease_ms: int, tools_ms: int
    ) -> str:
        """Renew a worker's lease; returns a word of `renew_lease.lua`.

        Raises:
            ConnectionError: the server is away.
            ResponseError: it refused the command.
        """
        call = self._scripts.renew_lease(
            worker=worker, registration=registration, lease_ms=lease_ms, tools_ms=tools_ms
        )
        return await self._run(call)

    async def remove(self, worker: str, registration: str) -> None:
        """Remove a worker that ends, if it is still registered so.

        Raises:
            ConnectionError: the server is away.
            ResponseError: it refused the command.
        """
        call = self._scripts.remove_worker(worker=worker, judged=registration, expired=False)
        await self._run(call)

    async def death_of(self, worker: str) -> WorkerDeath | None:
        """The note that this worker was declared dead; None: there is none, or it may not be read.

        Raises:
            ConnectionError: the server is away.
        """
        try:
            entries = await self._send(("XREVRANGE", self._keys.deaths(), "+", "-"))
        except redis_errors.ResponseError:
            return None
        return next((death for death in deaths_in(entries) if death.worker == worker), None)

    @abstractmethod
    async def seen(self) -> Seen | None:
        """How others can see this connection; None if they cannot."""

    @abstractmethod
    async def proves(self, seen: Seen) -> bool:
        """Whether they still can."""

    @abstractmethod
    async def is_lost_within(self, seconds: float) -> bool:
        """Wait for so long, or until the connection is lost; whether it is."""

    async def _run(self, call: ScriptCall) -> str:
        """Run a script, once a second at most: so with its text, which the server always knows."""
        [outcome] = await self._send(call.in_full())
        return str(outcome)

    @abstractmethod
    async def _send(self, command: Command) -> Any: ...


@contextlib.asynccontextmanager
async def open_heartbeat(url: str, namespace: str) -> AsyncGenerator[HeartbeatConnection, None]:
    """A connection to the store at this URL, for as long as the block lasts."""
    name, keys = f"threadmill-{secrets.token_hex(8)}", Keys(namespace)
    client = connect(url, client_name=name)
    try:
        pool = getattr(client, "connection_pool", None)
        if pool is None:  # a cluster, where no list has the connections of all nodes
            yield _ManyConnections(client, keys)
            return
        connection = await pool.get_connection()
        try:
            yield _OneConnection(connection, name, keys)
        finally:
            await pool.release(connection)
    finally:
        await client.aclose()


class _ManyConnections(HeartbeatConnection):
    """Whatever connection the client takes; its loss tells nothing."""

    def __init__(self, client: StoreClient, keys: Keys) -> None:
        super().__init__(keys)
        self._client = client

    async def _send(self, command: Command) -> Any:
        return await self._client.execute_command(*command)

    async def seen(self) -> Seen | None:
        return None

    async def proves(self, seen: Seen) -> bool:  # noqa: ARG002
        return False

    async def is_lost_within(self, seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return False


class _OneConnection(HeartbeatConnection):
    """One named connection, which nothing else uses."""

    def __init__(self, connection: Any, name: str, keys: Keys) -> None:
        super().__init__(keys)
        self._connection = connection
        self._name = name

    async def _send(self, command: Command) -> Any:
        packed = self._connection.pack_command(*command)
        await self._connection.send_packed_command(packed)
        return await self._connection.read_response()

    async def seen(self) -> Seen | None:
        try:
            client = int(await self._send(("CLIENT", "ID")))
            seen = Seen(server_id(await self._send(("INFO", "server"))), client)
        except redis_errors.ResponseError:  # an ACL forbids it, or a proxy does not know it
            return None
        return seen if seen.server and await self.proves(seen) else None

    async def proves(self, seen: Seen) -> bool:
        try:
            listed = await self._send(("CLIENT", "LIST", "ID", seen.client))
        except redis_errors.ResponseError:
            return False
        # A proxy may share one connection among many workers; then the name is another one's.
        return f"id={seen.client} " in listed and f"name={self._name} " in listed

    async def is_lost_within(self, seconds: float) -> bool:
        # Nobody sends to an idle connection: what can be read is its end.
        try:
            return await self._connection.read_response(timeout=seconds) is not None
        except redis_errors.ConnectionError:
            return True
