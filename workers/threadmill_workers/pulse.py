"""The connection on which a worker beats; that it is gone is how others see that the worker is.

A server sees within milliseconds that a killed process's connection has closed, long before a key
expires. So the connection has a name, and the worker proves at each beat that the server lists the
connection under that name. Where it cannot (a cluster, an ACL, a proxy), nobody may conclude
anything from the list.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import AsyncGenerator
from typing import Any, Protocol

from redis import exceptions as redis_errors

from threadmill_shared.connections import StoreClient, connect
from threadmill_shared.registry import Seen

Command = tuple[Any, ...]


class Pulse(Protocol):
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

    async def is_lost(self) -> bool:
        """Whether the connection has closed."""
        ...


@contextlib.asynccontextmanager
async def open_pulse(url: str) -> AsyncGenerator[Pulse, None]:
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

    async def is_lost(self) -> bool:
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
            listed = await self.send(("CLIENT", "LIST", "ID", client))
            server = server_id(await self.send(("INFO", "server")))
        except redis_errors.ResponseError:  # an ACL forbids it, or a proxy does not know it
            return None
        # A proxy may share one connection among many workers; then the name is another one's.
        is_own = f"id={client} " in listed and f"name={self._name} " in listed
        return Seen(server, client) if server and is_own else None

    async def is_lost(self) -> bool:
        # Nobody sends to an idle connection: what can be read is its end.
        try:
            return bool(await self._connection.can_read())
        except redis_errors.ConnectionError:
            return True


def server_id(info: Any) -> str:
    """The server's identity, which changes with a restart and with a failover; empty: not told."""
    if isinstance(info, dict):
        return str(info.get("run_id", ""))
    found = re.search(r"^run_id:(\w+)", str(info), re.MULTILINE)
    return found[1] if found else ""
