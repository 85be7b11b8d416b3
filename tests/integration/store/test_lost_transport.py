"""A connection that was lost a moment ago is a lost connection, on uvloop as well."""

from __future__ import annotations

import gc

import pytest
import uvloop
from redis.asyncio import Connection
from redis.exceptions import ConnectionError as LostConnection

from threadmill_shared.store.connections import StoreClient, connect
from threadmill_shared.store.lost_transport import tolerant
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
    assert found is tolerant(found.__base__)


def test_another_error_of_a_program_stays_what_it_is() -> None:
    class Faulty(Connection):
        async def send_packed_command(self, *args: object, **options: object) -> None:
            raise RuntimeError(args[0])

    connection = tolerant(Faulty)(host="127.0.0.1", port=1)
    with pytest.raises(RuntimeError, match="a bug"):
        uvloop.run(connection.send_packed_command("a bug"))
    with pytest.raises(LostConnection):
        uvloop.run(connection.send_packed_command("...; the handler is closed"))
