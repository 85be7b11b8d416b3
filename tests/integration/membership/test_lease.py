"""The beat: it ends when the loop does not answer any more, and says so when it cannot go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.conftest import Run
from tests.support.store.registered_workers import beating, registered, registrations, store_at
from tests.support.waiting import wait_until_async

from threadmill_shared.store.store import Store
from threadmill_workers.membership import lease
from threadmill_workers.membership.lease import Loop


@pytest.fixture
def store(redis_url: str, run: Run) -> Iterator[Store]:
    store = store_at(redis_url)
    yield store
    run(store.close())


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that beats ten times a second, and gives its loop three beats to answer."""
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(lease, "UNANSWERED_BEATS", 3)


class Silent(Loop):
    """A loop that takes what it is told and does nothing."""

    def call(self, act: object) -> None:
        pass


async def test_a_loop_that_does_not_answer_ends_the_beat_and_the_process(redis_url, store):
    worker = registered(redis_url)
    worker.lease._loop = Silent(asyncio.get_running_loop())
    async with beating(worker):
        await wait_until_async(lambda: worker.stuck)
        assert "event loop has not answered" in worker.stuck[0]
        await asyncio.sleep(0.3)
        before = await store.session.runner.command("PTTL", store.session.keys.lease(worker.id))
        await asyncio.sleep(0.3)
        assert (
            await store.session.runner.command("PTTL", store.session.keys.lease(worker.id)) < before
        )


async def test_a_loop_that_answers_again_in_time_goes_on(redis_url, store):
    worker = registered(redis_url)
    loop = worker.lease._loop
    silences: list[bool] = []
    for _ in range(3):
        assert loop.answers(on_silence=lambda: silences.append(True))
    await asyncio.sleep(0)
    assert loop.answers(on_silence=lambda: silences.append(True))
    assert silences == []
    async with beating(worker):
        await asyncio.sleep(1)
        assert worker.stuck == []


async def test_a_thread_of_the_lease_that_fails_ends_the_process(redis_url, monkeypatch):
    class Fault(BaseException):
        """A fault of ours that no handler expects."""

    def fail(url: str, namespace: str) -> None:
        raise Fault

    monkeypatch.setattr(lease, "open_heartbeat", fail)
    worker = registered(redis_url)
    worker.lease._thread.start()
    await wait_until_async(lambda: worker.stuck)
    assert worker.stuck == ["the lease's thread has failed (Fault)"]


async def test_who_is_frozen_finds_its_lease_unconfirmed_before_it_begins_anything(
    redis_url, monkeypatch
):
    worker = registered(redis_url)
    async with beating(worker):
        assert worker.lease.is_confirmed()
        now = lease.boot_seconds()
        monkeypatch.setattr(lease, "boot_seconds", lambda: now + lease.LEASE_MS / 1000)
        assert not worker.lease.is_confirmed()
        waiting = asyncio.ensure_future(worker.lease.wait_until_confirmed())
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        monkeypatch.undo()
        await asyncio.wait_for(waiting, 2)
        assert not done


async def test_a_full_server_takes_no_lease_away_and_lets_workers_register(redis_url, store):
    worker, late = registered(redis_url, 1), registered(redis_url, 2)
    async with beating(worker):
        await store.session.runner.command("CONFIG", "SET", "maxmemory", "1")
        try:
            first = (await registrations(store))[worker.id].seen
            await store.session.runner.command("CLIENT", "KILL", "ID", first.client)
            async with beating(late):
                await asyncio.sleep(lease.LEASE_MS / 1000 + 0.2)
                found = await registrations(store)
                assert found.keys() == {worker.id, late.id}
                assert found[worker.id].seen != first
                assert worker.lease.is_confirmed()
                assert late.lease.is_confirmed()
            assert worker.burials == []
        finally:
            await store.session.runner.command("CONFIG", "SET", "maxmemory", "0")
