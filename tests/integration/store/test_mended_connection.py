"""redis-py's connections: a loss is noticed, and no cancellation is dropped."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from redis.asyncio import Connection
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import TimeoutError as NotInTime

from threadmill_shared.servers.url import parse
from threadmill_shared.store.connections import StoreClient, connect
from threadmill_shared.store.mended_connection import mended
from threadmill_shared.store.store import Store


def lose_connections() -> int:
    """Close the transports of all connections, as a network that fails does; returns how many."""
    found = [one for one in gc.get_objects() if isinstance(one, Connection) and one.is_connected]
    for connection in found:
        connection._writer.transport.abort()
    return len(found)


async def look_twice(store: Store) -> None:
    """Read, lose the connection, and read again before anybody knows of the loss."""
    assert await store.threads.record("thread_01_gone") is None
    assert lose_connections() > 0
    assert await store.threads.record("thread_01_gone") is None


def test_a_command_on_a_connection_that_was_just_lost_is_repeated(redis_url: str) -> None:
    async def scene() -> None:
        store = Store(connect(redis_url), "tm")
        try:
            await look_twice(store)
        finally:
            await store.close()

    uvloop.run(scene())


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:1/0",
        "rediss://127.0.0.1:1/0",
        "unix:///nowhere/redis.sock",
        "redis+sentinel://127.0.0.1:1/primary",
    ],
)
def test_each_way_to_connect_knows_a_lost_transport(url: str) -> None:
    async def kind() -> type[Connection]:
        client: StoreClient = connect(url)
        return client.connection_pool.connection_class

    found = uvloop.run(kind())
    assert found is mended(found.__base__)


def test_another_error_of_a_program_stays_what_it_is() -> None:
    class Faulty(Connection):
        async def send_packed_command(self, *args: object, **options: object) -> None:
            raise RuntimeError(args[0])

    connection = mended(Faulty)(host="127.0.0.1", port=1)
    with pytest.raises(RuntimeError, match="a bug"):
        uvloop.run(connection.send_packed_command("a bug"))
    with pytest.raises(LostConnection):
        uvloop.run(connection.send_packed_command("...; the handler is closed"))


def connection_to(url: str, seconds: float) -> Connection:
    host, port = parse(url).hosts[0]
    return mended(Connection)(host=host, port=port, socket_timeout=seconds)


async def is_cancelled_after(connection: Connection, turns: int) -> bool:
    """Whether a write was under way after so many turns of the loop; if it was, it is cancelled."""
    writing = asyncio.ensure_future(connection.send_command("PING"))
    for _ in range(turns):
        await asyncio.sleep(0)
    if not writing.cancel():
        return False
    await asyncio.wait({writing}, timeout=5)
    assert writing.cancelled()
    return True


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_no_moment_of_a_write_drops_a_cancellation(
    redis_url: str, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    async def scene() -> None:
        connection = connection_to(redis_url, seconds=5)
        await connection.connect()
        turns = 0
        while await is_cancelled_after(connection, turns):
            turns += 1
            await connection.connect()  # a write that was cut off has ended the connection
        await connection.disconnect()

    run(scene())


def test_a_write_that_the_server_does_not_take_ends_in_time(redis_url: str) -> None:
    async def never() -> None:
        await asyncio.get_running_loop().create_future()

    async def scene() -> None:
        connection = connection_to(redis_url, seconds=0.2)
        await connection.connect()
        connection._writer.drain = never  # as if the server did not read
        with pytest.raises(NotInTime):
            await connection.send_command("PING")
        assert not connection.is_connected
        assert connection.socket_timeout == 0.2

    asyncio.run(scene())
