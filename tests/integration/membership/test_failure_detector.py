"""Who is found dead, and who is not: nobody who merely could not be heard for a while."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from tests.conftest import Run
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sharing_proxy import SharingProxy
from tests.support.store.registered_workers import (
    Registered,
    Watcher,
    beating,
    ghost,
    holding_a_run,
    register,
    register_without_lease,
    registered,
    registrations,
    store_at,
)
from tests.support.waiting import wait_until_async

from threadmill_shared.records.workers import Seen, WorkerInfo
from threadmill_shared.store.store import Store
from threadmill_workers.membership import failure_detector
from threadmill_workers.membership.failure_detector import Dead, FailureDetector
from threadmill_workers.membership.heartbeat import LEASE_MS

GHOST = WorkerInfo("host:9:gggg", "host:9", 0, "tm.gggg", ("tm",))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that may be stopped and killed, and keeps what it has."""
    with RedisServer(tmp_path_factory.mktemp("lives"), appendonly=True) as server:
        yield server


@pytest.fixture
def url(server: RedisServer) -> str:
    return server.url()


@pytest.fixture
def store(url: str, run: Run) -> Iterator[Store]:
    """An empty store."""
    store = store_at(url)
    run(store.session.runner.command("FLUSHALL"))
    yield store
    run(store.close())


# ---- death -------------------------------------------------------------------------------------


async def test_a_worker_whose_connection_is_gone_is_dead_at_once(url, store):
    watcher = Watcher(store)
    async with ghost(url, store, GHOST):
        assert await watcher.look_for(1) == []
    await wait_until_async(watcher.look, timeout=2)
    assert [(dead.worker, dead.expired) for dead in watcher.verdicts] == [(GHOST.id, False)]
    assert await registrations(store) == {}


@dataclass
class Clock:
    """A clock that a test sets; reading it may take time."""

    now: float = 0.0
    takes: float = 0.0

    def __call__(self) -> float:
        read, self.now = self.now, self.now + self.takes
        return read


async def without_lease(store: Store, clock: Clock) -> FailureDetector:
    """A search that knows a worker whose lease has expired."""
    await register_without_lease(store, GHOST)
    search = FailureDetector(store, clock=clock)
    assert await search.find() == []
    return search


async def test_a_worker_without_a_lease_is_dead_after_two_looks_that_are_two_beats_apart(store):
    clock = Clock()
    search = await without_lease(store, clock)
    for clock.now in (1.0, 1.5, 2.9):
        assert await search.find() == []
    clock.now = 3.1
    assert await search.find() == [Dead(GHOST.id, GHOST.encode(), expired=True)]


async def test_a_look_that_took_long_proves_nothing_and_what_was_suspected_is_forgotten(store):
    clock = Clock()
    search = await without_lease(store, clock)
    clock.now = 1.0
    assert await search.find() == []
    clock.now, clock.takes = 2.0, 1.5
    assert await search.find() == []
    clock.takes = 0
    for clock.now in (4.0, 5.9):
        assert await search.find() == []
    clock.now = 6.1
    assert [dead.worker for dead in await search.find()] == [GHOST.id]


async def test_lost_connections_prove_nothing_until_the_server_has_answered_for_a_while(url, store):
    clock = Clock()
    search = FailureDetector(store, clock=clock)
    async with ghost(url, store, GHOST):
        assert await search.find() == []
        clock.now, clock.takes = 1.0, 1.5
        assert await search.find() == []
    clock.takes = 0
    for clock.now in (4.0, 6.9):
        assert await search.find() == []
    clock.now = 7.1
    assert [dead.worker for dead in await search.find()] == [GHOST.id]


async def test_a_worker_that_looks_rarely_trusts_lost_connections_only_after_looking_for_a_while(
    url, store
):
    """Between its looks the server may have stood still, and connections may have been given up."""
    clock = Clock()
    search = FailureDetector(store, clock=clock)
    async with ghost(url, store, GHOST):
        for clock.now in (0.0, 4.9):
            assert await search.find() == []
        assert not search.is_alarmed
    for clock.now in (10.0, 12.9):
        assert await search.find() == []
        assert search.is_alarmed
    clock.now = 13.1
    assert [dead.worker for dead in await search.find()] == [GHOST.id]


async def test_who_has_another_connection_at_the_second_look_lives(url, store, monkeypatch):
    monkeypatch.setattr(failure_detector, "SECOND_SCAN_SECONDS", 0.5)
    search = FailureDetector(store)
    async with ghost(url, store, GHOST):
        assert await search.find() == []
    finding = asyncio.ensure_future(search.find())
    await asyncio.sleep(0.1)
    async with ghost(url, store, GHOST):
        assert await finding == []


async def test_a_holder_that_is_not_registered_is_dead_and_its_runs_go_on(store):
    """A claim may have come after its worker was buried."""
    held = await holding_a_run(store, registered("redis://").lease.holder)
    clock, holder = Clock(), held.record.holder
    watcher = Watcher(store)
    watcher.deaths = FailureDetector(store, clock=clock)
    for clock.now in (0.0, 1.9):
        assert await watcher.look([holder]) == []
    clock.now = 2.1
    await watcher.look([holder])
    assert [dead.worker for dead in watcher.verdicts] == [holder]
    assert [one.run_id for one in watcher.sent if one] == [held.record.id]


# ---- servers that stop, end and go on ----------------------------------------------------------


async def test_nobody_is_dead_after_a_server_stood_still_for_longer_than_leases_and_timeouts(
    server, url, store
):
    workers = [registered(url, number) for number in range(20)]
    watcher = Watcher(store)
    async with beating(*workers):
        held = [await holding_a_run(store, worker.lease.holder) for worker in workers]
        await watcher.look()
        os.kill(server.pid, signal.SIGSTOP)
        looking = asyncio.ensure_future(watcher.look_for(10.5))
        await asyncio.sleep(LEASE_MS / 1000 + 0.5)
        assert not any(worker.lease.is_confirmed() for worker in workers)
        await asyncio.sleep(3)  # the timeout of connections is over, too
        os.kill(server.pid, signal.SIGCONT)

        assert await looking == []
        assert (await registrations(store)).keys() == {worker.id for worker in workers}
        assert all(worker.lease.is_confirmed() for worker in workers)
        records = [await store.runs.record(one.record.id) for one in held]
        assert [record and record.holder for record in records] == [w.id for w in workers]


async def test_nobody_is_dead_after_a_restart_although_numbers_of_connections_begin_anew(
    server, url, store
):
    workers = [registered(url, number) for number in range(3)]
    watcher = Watcher(store)
    async with beating(*workers):
        await watcher.look()
        before = await registrations(store)
        server.kill()
        server.start()
        assert await watcher.look_for(failure_detector.SETTLED_SECONDS + 0.5) == []
        after = await registrations(store)
    assert after.keys() == before.keys()
    for worker in after:
        assert before[worker].seen is not None
        assert after[worker].seen is not None
        assert before[worker].seen != after[worker].seen


async def test_a_connection_of_a_former_server_proves_nothing(store):
    await register(store, replace(GHOST, seen=Seen("0" * 40, 1_000_000)))
    assert await Watcher(store).look_for(1) == []


# ---- connections that tell nothing -------------------------------------------------------------


async def test_where_an_acl_forbids_the_list_of_connections_only_leases_count(url, store):
    forbidding = ("reset", "on", ">secret", "~*", "&*", "+@all", "-@dangerous")
    await store.session.runner.command("ACL", "SETUSER", "limited", *forbidding)
    limited = url.replace("://", "://limited:secret@")
    poor = store_at(limited)
    watcher = Watcher(poor)
    worker = registered(limited)
    async with beating(worker):
        assert await watcher.look_for(1) == []
        assert (await registrations(store))[worker.id].seen is None
        await register_without_lease(store, replace(GHOST, seen=Seen("0" * 40, 1_000_000)))
        await wait_until_async(watcher.look, timeout=6)
    assert [(dead.worker, dead.expired) for dead in watcher.verdicts] == [(GHOST.id, True)]
    await poor.close()


async def test_workers_that_share_a_proxys_connection_are_not_dead_when_it_has_anothers_name(
    server, url, store
):
    watcher = Watcher(store)
    async with SharingProxy(server.port) as proxy:
        first, second = registered(proxy.url, 1), registered(proxy.url, 2)
        async with beating(first), beating(second):
            assert await watcher.look_for(2.5) == []
            found = await registrations(store)
            assert found[first.id].seen is None  # it no longer has the name that it gave
            assert first.lease.is_confirmed()


async def test_a_worker_that_lost_its_connection_registers_again_before_the_second_look(url, store):
    worker, watcher = registered(url), Watcher(store)
    async with beating(worker):
        looking = asyncio.ensure_future(watcher.look_for(2))
        for _ in range(3):
            seen = await seen_of(store, worker)
            await store.session.runner.command("CLIENT", "KILL", "ID", seen.client)
            await wait_until_async(lambda old=seen: is_seen_otherwise(store, worker, old))
        assert await looking == []
    assert worker.burials == []


async def seen_of(store: Store, worker: Registered) -> Seen:
    found = await wait_until_async(lambda: registrations(store))
    seen = found[worker.id].seen
    assert seen is not None
    return seen


async def is_seen_otherwise(store: Store, worker: Registered, old: Seen) -> bool:
    return await seen_of(store, worker) != old


# ---- being buried ------------------------------------------------------------------------------


async def test_who_registered_again_between_verdict_and_burial_lives(url, store):
    worker, watcher = registered(url), Watcher(store)
    async with beating(worker):
        held = await holding_a_run(store, worker.lease.holder)
        seen = await seen_of(store, worker)
        verdict = Dead(worker.id, (await registrations(store))[worker.id].encode(), expired=False)
        await store.session.runner.command("CLIENT", "KILL", "ID", seen.client)
        await wait_until_async(lambda: is_seen_otherwise(store, worker, seen))

        await watcher.takeover.remove_worker(verdict)

        assert watcher.sent == []
        assert (await store.runs.record(held.record.id)).holder == worker.id
    assert worker.burials == []


async def test_whose_lease_was_renewed_between_verdict_and_burial_lives(url, store):
    worker, watcher = registered(url), Watcher(store)
    async with beating(worker):
        await holding_a_run(store, worker.lease.holder)
        registration = (await registrations(store))[worker.id].encode()
        await watcher.takeover.remove_worker(Dead(worker.id, registration, expired=True))
        assert watcher.sent == []
        assert worker.id in await registrations(store)


async def test_a_worker_that_was_buried_alive_says_so_and_goes_on_under_a_new_id(url, store):
    worker, watcher = registered(url), Watcher(store)
    async with beating(worker):
        first = worker.id
        held = await holding_a_run(store, worker.lease.holder)
        registration = (await registrations(store))[first].encode()
        await watcher.takeover.remove_worker(Dead(first, registration, expired=False))
        assert [one.run_id for one in watcher.sent if one] == [held.record.id]

        await wait_until_async(lambda: worker.id != first and worker.lease.is_confirmed())

        assert len(worker.burials) == 1
        assert (await registrations(store)).keys() == {worker.id}
        assert worker.id.rpartition(":")[0] == first.rpartition(":")[0]
