"""A Redis Cluster that loses a node, and what stays of the connections to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import NAMESPACE
from tests.support.servers.clients import ask_all
from tests.support.servers.cluster import ClusterServer
from tests.support.servers.programs import server_program
from tests.support.store.scene import REQUEST
from tests.support.waiting import wait_until_async

from threadmill_shared import errors, ids
from threadmill_shared.events.notifications import Notifications
from threadmill_shared.records.changes import EnqueueCommand
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store
from threadmill_shared.store.subscription import ChannelSubscription

PATIENCE = 0.3


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterServer]:
    try:
        server_program("cluster")
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    with ClusterServer(tmp_path) as cluster:
        yield cluster


async def enqueue(store: Store, thread_id: str) -> str:
    new = EnqueueCommand(
        run_id=ids.new_run_id(thread_id),
        thread_id=thread_id,
        request=REQUEST,
        create_thread=True,
        queue=NAMESPACE,
    )
    return (await store.runs.enqueue(new)).run_id


def port_of(store: Store, thread_id: str) -> int:
    """The port of the node that has the thread."""
    port: int = store.session.client.get_node_from_key(store.session.keys.thread(thread_id)).port
    return port


async def test_a_node_that_is_away_holds_up_its_own_threads_only(cluster: ClusterServer) -> None:
    store = Store(connect(cluster.url()), NAMESPACE, patience=PATIENCE)
    threads = [ids.new_thread_id() for _ in range(30)]
    for thread in threads:
        await enqueue(store, thread)
    lost = cluster.nodes[0]
    lost.kill()

    away = [thread for thread in threads if port_of(store, thread) == lost.port]
    assert 0 < len(away) < len(threads)
    with pytest.raises(errors.StoreUnavailable):
        await enqueue(store, away[0])
    for thread in set(threads) - set(away):
        await enqueue(store, thread)

    lost.start()
    cluster.wait_in_order()
    for thread in away:  # it has kept nothing, but it takes what comes
        await enqueue(store, thread)
    await store.close()


async def test_a_cluster_that_is_away_is_an_error_of_the_infrastructure() -> None:
    store = Store(connect("redis+cluster://127.0.0.1:1"), NAMESPACE, patience=PATIENCE)
    with pytest.raises(errors.StoreUnavailable, match="Redis cannot be reached"):
        await store.runs.record("run_00" + "0" * 30)
    with pytest.raises(errors.StoreUnavailable):
        await enqueue(store, ids.new_thread_id())
    await store.close()


async def test_a_subscription_whose_node_is_lost_goes_on_at_another_one(
    cluster: ClusterServer,
) -> None:
    client, other = (connect(cluster.url()) for _ in range(2))
    notifications = Notifications(ChannelSubscription(client))
    async with notifications.hear("channel") as heard:
        found = await ask_all(other, "pubsub_channels")
        ports = [node.port for node in other.get_primaries()]
        [at] = [port for port, channels in zip(ports, found, strict=True) if channels]
        [lost] = [node for node in cluster.nodes if node.port == at]
        [rest, _] = [node for node in cluster.nodes if node is not lost]
        lost.kill()
        waiting = asyncio.ensure_future(anext(heard))

        def is_heard() -> bool:
            with rest.connected() as publisher:
                publisher.publish("channel", "now")
            return waiting.done()

        await wait_until_async(is_heard, "it is subscribed again")
        assert waiting.result() == "now"
    await notifications.close()
    await client.aclose()
    await other.aclose()
