"""The connection on which a worker beats; that it is gone is how others see that the worker is.

A server sees within milliseconds that a killed process's connection has closed, long before a key
expires. So the connection has a name, and the worker proves at each beat that the server lists the
connection under that name. Where it cannot (a cluster, an ACL, a proxy), nobody may conclude
anything from the list.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncGenerator
from typing import Any, Protocol

from redis import exceptions as redis_errors

from threadmill_shared.store.connections import StoreClient, connect
from threadmill_shared.store.workers import Seen

Command = tuple[Any, ...]


class Heartbeat(Protocol):
    """A way to beat."""

    async def send(self, command: Command) -> Any:
        """Send one command and return its answer.

        Raises:
            ConnectionError: the server is away.
            ResponseError: it refused the command.
        """
        ...

    async def seen(self) -> Seen | None:
        """How others can see this connection; None where they cannot."""
        ...

    async def proves(self, seen: Seen) -> bool:
        """Whether they still can."""
        ...

    async def is_lost_within(self, seconds: float) -> bool:
        """Wait for so long, or until the connection is lost; whether it is."""
        ...


@contextlib.asynccontextmanager
async def open_heartbeat(url: str) -> AsyncGenerator[Heartbeat, None]:
    """A connection to the store at this URL, for as long as the block lasts."""
    name = f"threadmill-{secrets.token_hex(8)}"
    client = connect(url, client_name=name)
    try:
        pool = getattr(client, "connection_pool", None)
        if pool is None:  # a cluster, where no list has the connections of all nodes
            yield _ManyConnections(client)
            return
        connection = await pool.get_connection()
        try:
            yield _OneConnection(connection, name)
        finally:
            await pool.release(connection)
    finally:
        await client.aclose()


class _ManyConnections:
    """Whatever connection the client takes; its loss tells nothing."""

    def __init__(self, client: StoreClient) -> None:
        self._client = client

    async def send(self, command: Command) -> Any:
        return await self._client.execute_command(*command)

    async def seen(self) -> Seen | None:
        return None

    async def proves(self, seen: Seen) -> bool:  # noqa: ARG002
        return False

    async def is_lost_within(self, seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return False


class _OneConnection:
    """One named connection, which nothing else uses."""

    def __init__(self, connection: Any, name: str) -> None:
        self._connection = connection
        self._name = name

    async def send(self, command: Command) -> Any:
        packed = self._connection.pack_command(*command)
        await self._connection.send_packed_command(packed)
        return await self._connection.read_response()

    async def seen(self) -> Seen | None:
        try:
            client = int(await self.send(("CLIENT", "ID")))
            seen = Seen(server_id(await self.send(("INFO", "server"))), client)
        except redis_errors.ResponseError:  # an ACL forbids it, or a proxy does not know it
            return None
        return seen if seen.server and await self.proves(seen) else None

    async def proves(self, seen: Seen) -> bool:
        try:
            listed = await self.send(("CLIENT", "LIST", "ID", seen.client))
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


def server_id(info: Any) -> str:
    """The server's identity, which changes with a restart and with a failover; empty: not told."""
    if isinstance(info, dict):
        return str(info.get("run_id", ""))
    found = re.search(r"^run_id:(\w+)", str(info), re.MULTILINE)
    return found[1] if found else ""
