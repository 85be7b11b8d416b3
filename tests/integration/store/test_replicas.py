"""Whether a replica has what was written: asked where there are replicas, and only there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest
from tests.conftest import NAMESPACE
from tests.support.servers.clients import ask_all
from tests.support.servers.cluster import ClusterOfOneShard
from tests.support.servers.replication import ReplicatedRedis
from tests.support.servers.snapshot import Snapshot
from tests.support.store.scene import OTHER, Scene, begin_call
from tests.support.waiting import wait_until_async

from threadmill_shared import ids
from threadmill_shared.store.bulk_enqueue import MOST_RUNS
from threadmill_shared.store.connections import connect
from threadmill_shared.store.replicas import ReplicaCheck, has_replicas
from threadmill_shared.store.store import Store
from threadmill_workers.execution.interruption import Interruption, LostRun


@pytest.fixture(scope="module")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicatedRedis]:
    with ReplicatedRedis(tmp_path_factory.mktemp("replicated")) as replicated:
        yield replicated


@pytest.fixture
def redis_url(replicated: ReplicatedRedis) -> Iterator[str]:
    yield replicated.primary.fresh_database()
    replicated.resume_replica()


async def calls_of(client, command: str) -> int:
    statistics = await client.info("commandstats")
    return int(statistics.get(f"cmdstat_{command}", {"calls": 0})["calls"])


async def test_what_a_replica_has_is_confirmed(scene, client):
    held = await scene.begin()
    asked = await calls_of(client, "wait")

    assert await held.ask_replica()
    await held.wait_for_replica()

    assert await calls_of(client, "wait") == asked + 2


async def test_what_no_replica_has_is_not_confirmed_and_the_process_says_so_once(
    scene, replicated, caplog
):
    held = await scene.begin()
    replicated.pause_replica()

    with caplog.at_level(logging.WARNING, "threadmill.store"):
        assert not await held.ask_replica()
        assert not await held.ask_replica()

    [warning] = caplog.messages
    assert "no Redis replica has confirmed" in warning


async def test_a_tool_call_is_not_begun_until_a_replica_knows_of_it(scene, replicated):
    held = await scene.begin()
    replicated.pause_replica()
    await held.write(begin_call(held.record, "call_1"))
    begun = asyncio.ensure_future(held.wait_for_replica())

    await asyncio.wait([begun], timeout=1.5)
    assert not begun.done()

    replicated.resume_replica()
    await asyncio.wait_for(begun, 5)


async def test_a_worker_that_waits_for_a_replica_stops_when_the_run_is_taken_from_it(
    scene, replicated
):
    held = await scene.begin()
    replicated.pause_replica()
    begun = asyncio.ensure_future(held.wait_for_replica())
    await asyncio.sleep(0.05)

    await scene.store.runs.reclaim(await scene.record(held.record.id))
    await scene.claim(held.record.id, OTHER)

    with pytest.raises(LostRun):
        await asyncio.wait_for(begun, 5)
    assert held.stop_reason is Interruption.LOST


async def test_a_call_whose_beginning_was_lost_in_a_failover_is_not_begun(scene, redis_url):
    held = await scene.begin()
    snapshot = Snapshot(redis_url, NAMESPACE)
    await held.write(begin_call(held.record, "call_1"))
    snapshot.restore()  # the server that is asked is not the one that the beginning was written to

    with pytest.raises(LostRun):
        await asyncio.wait_for(held.wait_for_replica(), 5)

    assert held.stop_reason is Interruption.YIELD
    assert (await held.release()).run_id == held.record.id


async def test_those_that_ask_at_the_same_time_share_a_question(scene, client):
    held = await scene.begin()
    asked = await calls_of(client, "wait")

    confirmed = await asyncio.gather(*(held.ask_replica() for _ in range(50)))

    assert confirmed == [True] * 50
    assert await calls_of(client, "wait") <= asked + 2


async def test_many_runs_ask_once_for_each_round_trip(scene, client, replicated, caplog):
    asked = await calls_of(client, "wait")
    new = [scene.new_run(thread_id=ids.new_thread_id()) for _ in range(2 * MOST_RUNS)]

    assert all([one async for one in scene.store.runs.enqueue_many(new, lambda _: b"")])

    assert await calls_of(client, "wait") == asked + 2

    replicated.pause_replica()
    with caplog.at_level(logging.WARNING, "threadmill.store"):
        new = [scene.new_run(thread_id=ids.new_thread_id()) for _ in range(3)]
        found = [one async for one in scene.store.runs.enqueue_many(new, lambda _: b"")]
    assert [one.run_id for one in found] == [one.run_id for one in new]
    assert "no Redis replica has confirmed" in caplog.text


async def test_each_of_those_is_told_of_its_own_witness(scene, client):
    await scene.begin()
    await client.set("tm:{00}:deleted:a", 1, px=60_000)
    there = ReplicaCheck(("GET", "tm:{00}:deleted:a"), "1")
    gone = ReplicaCheck(("GET", "tm:{00}:deleted:b"), "1")

    found = await asyncio.gather(
        *(
            scene.store.wait_for_replica(scene.thread_id, witness)
            for witness in (gone, there, gone, there)
        )
    )

    assert found == [False, True, False, True]


async def test_one_that_gives_up_waiting_does_not_end_the_question_of_the_others(scene):
    held = await scene.begin()
    first = asyncio.ensure_future(held.ask_replica())
    second = asyncio.ensure_future(held.ask_replica())
    await asyncio.sleep(0)

    first.cancel()

    assert await second


async def test_while_it_is_asked_other_writes_are_not_held_up(scene, replicated):
    held = await scene.begin()
    await held.ask_replica()
    replicated.pause_replica()
    asking = asyncio.ensure_future(held.ask_replica())
    await asyncio.sleep(0.05)

    await asyncio.wait_for(held.write(begin_call(held.record, "call_1")), 0.3)

    assert not asking.done()
    assert not await asking


async def test_a_run_is_stored_even_where_no_replica_confirms_it(scene, replicated):
    replicated.pause_replica()

    enqueued = await asyncio.wait_for(scene.enqueue(), 3)

    assert await scene.store.runs.record(enqueued.run_id) is not None


async def test_a_user_who_may_neither_ask_nor_look_is_not_held_up(replicated, redis_url, run):
    admin = connect(redis_url)
    await admin.execute_command(
        "ACL", "SETUSER", "narrow", "on", "nopass", "~*", "&*", "+@all", "-info"
    )
    await admin.execute_command(
        "ACL", "SETUSER", "wary", "on", "nopass", "~*", "&*", "+@all", "-wait"
    )
    for name in ("narrow", "wary"):
        client = connect(redis_url, username=name, password="any")
        scene = Scene(Store(client, NAMESPACE), ids.new_thread_id())
        held = await scene.begin()
        assert await held.ask_replica()
        await held.wait_for_replica()
        await scene.store.close()
        await admin.execute_command("ACL", "DELUSER", name)
    await admin.aclose()


async def test_a_primary_that_has_become_a_replica_confirms_nothing(replicated):
    store = Store(connect(replicated.replica.url()), NAMESPACE)
    assert not await store.wait_for_replica(ids.new_thread_id())
    await store.close()


async def test_a_server_that_is_gone_confirms_nothing_and_nobody_speaks_of_replicas(caplog):
    store = Store(connect("redis://127.0.0.1:1/0"), NAMESPACE)
    assert not await store.wait_for_replica(ids.new_thread_id())
    assert not caplog.messages
    await store.close()


async def test_a_replica_counts_when_it_has_loaded_the_primarys_data():
    assert has_replicas({"connected_slaves": 1, "slave0": {"state": "online"}})
    assert not has_replicas({"connected_slaves": 1, "slave0": {"state": "send_bulk"}})
    assert not has_replicas({"connected_slaves": 0})
    assert has_replicas({"connected_slaves": 1})
    assert not has_replicas({})


async def test_replicas_that_come_later_are_noticed(replicated, scene, client):
    held = await scene.begin()
    replica = connect(replicated.replica.url())
    await replica.execute_command("REPLICAOF", "NO", "ONE")

    async def is_asked() -> bool:
        asked = await calls_of(client, "wait")
        await held.ask_replica()
        return await calls_of(client, "wait") > asked

    async def is_not_asked() -> bool:
        return not await is_asked()

    await wait_until_async(is_not_asked, "it is not asked any more")
    await replica.execute_command("REPLICAOF", "127.0.0.1", replicated.primary.port)
    await wait_until_async(replicated.is_replicated, "the replica is back")

    await wait_until_async(is_asked, "it is asked")
    await replica.aclose()


# ---- without replicas --------------------------------------------------------------------------


async def test_a_server_without_replicas_is_asked_nothing(redis_server, run):
    client = connect(redis_server.fresh_database())
    scene = Scene(Store(client, NAMESPACE), ids.new_thread_id())
    held = await scene.begin()
    await client.config_resetstat()

    for _ in range(100):
        await held.ask_replica()
        await held.wait_for_replica()

    statistics = await client.info("commandstats")
    assert "cmdstat_wait" not in statistics
    assert "cmdstat_hmget" not in statistics
    assert statistics.get("cmdstat_info", {"calls": 0})["calls"] <= 2
    await scene.store.close()


# ---- in a cluster ------------------------------------------------------------------------------


async def test_in_a_cluster_the_replicas_of_the_runs_node_are_asked(tmp_path):
    with ClusterOfOneShard(tmp_path) as cluster:
        client = connect(cluster.url())
        scene = Scene(Store(client, NAMESPACE), ids.new_thread_id())
        held = await scene.begin()
        confirmed = await asyncio.gather(*(held.ask_replica() for _ in range(20)))
        assert confirmed == [True] * 20
        await asyncio.wait_for(held.wait_for_replica(), 5)
        new = [scene.new_run(thread_id=ids.new_thread_id()) for _ in range(20)]
        found = [one async for one in scene.store.runs.enqueue_many(new, lambda _: b"")]
        assert [one.run_id for one in found] == [one.run_id for one in new]
        [statistics] = await ask_all(client, "info", "commandstats")
        assert statistics["cmdstat_wait"]["calls"] <= 4
        wrong = ReplicaCheck(("HGET", scene.keys.run(held.record.id), "token"), "another")
        assert not await scene.store.wait_for_replica(held.record.id, wrong)

        cluster.pause_replica()

        assert not await held.ask_replica()
        assert await scene.status(held.record.id) == "in_progress"
        await scene.store.close()
