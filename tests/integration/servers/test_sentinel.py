"""Connections through Sentinel, as the store makes them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import pytest
import redis
from tests.conftest import Run
from tests.support.environment import stretched
from tests.support.servers.replication import SentinelFleet
from tests.support.waiting import wait_until

from threadmill_shared import errors
from threadmill_shared.store.connections import MAX_CONNECTIONS, StoreClient, connect


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelFleet]:
    with SentinelFleet(tmp_path_factory.mktemp("fleet")) as fleet:
        yield fleet


@pytest.fixture
def through_sentinel(fleet: SentinelFleet, run: Run) -> Iterator[StoreClient]:
    client = connect(fleet.url())
    yield client
    run(client.aclose())


async def test_it_leads_to_the_primary(fleet: SentinelFleet, through_sentinel: StoreClient) -> None:
    found = await through_sentinel.info()
    assert (found["role"], found["tcp_port"]) == ("master", fleet.primary.port)


async def test_more_commands_than_connections_wait_for_one(through_sentinel: StoreClient) -> None:
    async def block() -> None:
        # Each keeps a connection for a moment, as a question to the replicas does.
        await through_sentinel.execute_command("BLPOP", "nothing", 0.1)

    await asyncio.gather(*(block() for _ in range(3 * MAX_CONNECTIONS)))

    found = await through_sentinel.info("clients")
    assert found["connected_clients"] <= MAX_CONNECTIONS + 10  # those of the sentinels


async def test_sentinels_that_are_down_cost_no_time(fleet: SentinelFleet) -> None:
    hosts = fleet.url().partition("://")[2]
    client = connect(f"redis+sentinel://127.0.0.1:1,127.0.0.1:2,{hosts}")
    begun = time.monotonic()
    assert await client.ping()
    assert time.monotonic() - begun < stretched(0.5)
    await client.aclose()


async def test_without_any_sentinel_the_store_is_away() -> None:
    client = connect("redis+sentinel://127.0.0.1:1/main/0")
    begun = time.monotonic()
    with pytest.raises(redis.ConnectionError):
        await client.ping()
    assert time.monotonic() - begun < stretched(0.5)
    await client.aclose()


async def test_a_closed_client_leaves_no_connection_to_a_sentinel(fleet: SentinelFleet) -> None:
    before = _clients_of_sentinels(fleet)
    client = connect(fleet.url())
    await client.ping()
    assert _clients_of_sentinels(fleet) > before

    await client.aclose()

    wait_until(lambda: _clients_of_sentinels(fleet) <= before, "all of them are closed")


def test_a_url_without_a_service_is_refused() -> None:
    with pytest.raises(errors.NotConfigured, match="name the service"):
        connect("redis+sentinel://127.0.0.1:1")


def _clients_of_sentinels(fleet: SentinelFleet) -> int:
    found = 0
    for port in fleet.sentinel_ports:
        with contextlib.closing(redis.Redis(port=port)) as client:
            found += client.info("clients")["connected_clients"]
    return found
