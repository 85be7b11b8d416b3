"""What remains of a worker's death: a note for operators, and for the worker if it comes back."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.conftest import Run
from tests.support.store.registered_workers import (
    NAMESPACE,
    Registered,
    Watcher,
    beating,
    holding_a_run,
    register,
    registered,
    registrations,
    store_at,
)
from tests.support.waiting import wait_until_async

from threadmill.inspection.workers import read_deaths, read_workers
from threadmill_shared.records.worker_death import WorkerDeath, deaths_in
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.heartbeat_connection import open_heartbeat
from threadmill_shared.store.store import Store
from threadmill_workers.membership.failure_detector import Dead

INFO = WorkerInfo("host:9:aaaa", "host:9", 0, "tm.nine", ("tm", "tm.nine"))
LOGGER = "threadmill.worker"


@pytest.fixture
def store(redis_url: str, run: Run) -> Iterator[Store]:
    store = store_at(redis_url)
    run(store.session.runner.command("FLUSHALL"))
    yield store
    run(store.close())


async def bury(store: Store, worker_id: str, *, expired: bool, silent: float = 0.0) -> None:
    registration = (await registrations(store))[worker_id].encode()
    if expired:
        await store.session.runner.command("UNLINK", store.session.keys.lease(worker_id))
    dead = Dead(worker_id, registration, expired=expired, silent_since=time.monotonic() - silent)
    await Watcher(store).takeover.remove_worker(dead)


async def deaths(store: Store, later: float = 0.0) -> list[WorkerDeath]:
    """Those that are shown so many seconds later."""
    [seconds, _] = await store.session.runner.command("TIME")
    return await read_deaths(store, int(seconds) + later, await read_workers(store))


async def comes_back(worker: Registered, first: str) -> None:
    await wait_until_async(lambda: worker.id != first and worker.lease.is_confirmed())


async def test_a_death_is_noted_with_its_time_its_cause_and_its_runs(redis_url, store, caplog):
    worker = registered(redis_url, 7)
    async with beating(worker):
        held = await holding_a_run(store, worker.lease.holder)
        first = worker.id
        await bury(store, first, expired=False)
        await comes_back(worker, first)
    [death] = await deaths(store)
    assert (death.worker, death.cause, death.runs) == (first, "connection", 1)
    [seconds, _] = await store.session.runner.command("TIME")
    assert abs(death.at - int(seconds)) < 30
    assert not death.came_back  # it has deregistered meanwhile
    sign = "its connection to Redis was closed"
    meaning = "it was killed, has crashed, or has ended by itself"
    held_runs = f"its runs are reassigned: 1 ({held.record.id})"
    assert f"worker host:7 is dead: {sign}, so {meaning}; {held_runs}" in caplog.messages


async def test_a_worker_that_was_only_frozen_is_said_to_have_come_back(redis_url, store):
    worker = registered(redis_url, 7)
    async with beating(worker):
        first = worker.id
        await bury(store, first, expired=True, silent=5)
        await comes_back(worker, first)
        [death] = await deaths(store)
        assert (death.came_back, death.explanation) == (True, "it came back")


async def test_a_silent_workers_death_says_for_how_long_it_was_silent(store, caplog):
    await register(store, INFO)
    await bury(store, INFO.id, expired=True, silent=5)
    [death] = await deaths(store)
    assert death.sign == "no sign of life for 5 s"
    words = "is dead: no sign of life for 5 s, so it is frozen or cut off; it held no run"
    assert f"worker host:9 {words}" in caplog.messages


async def test_deaths_are_shown_for_ten_minutes_and_at_most_a_hundred_are_kept(store):
    for number in range(103):
        info = replace(INFO, id=f"host:{number}:aaaa", worker=f"host:{number}")
        await register(store, info)
        await bury(store, info.id, expired=False)
    kept = await deaths(store)
    assert [death.name for death in kept] == [f"host:{number}" for number in range(3, 103)]
    assert await deaths(store, later=540) == kept
    assert await deaths(store, later=1200) == []
    left = await store.session.runner.command("TTL", store.session.keys.deaths())
    assert 86_000 < left <= 86_400


async def test_a_worker_that_ends_by_itself_leaves_no_note(redis_url, store):
    async with beating(registered(redis_url)):
        pass
    assert await registrations(store) == {}
    assert await deaths(store) == []


async def test_a_full_store_takes_the_note(store):
    await register(store, INFO)
    await store.session.runner.command("CONFIG", "SET", "maxmemory", "1")
    try:
        await bury(store, INFO.id, expired=False)
    finally:
        await store.session.runner.command("CONFIG", "SET", "maxmemory", "0")
    assert [death.worker for death in await deaths(store)] == [INFO.id]


@pytest.mark.parametrize("holds", [True, False])
async def test_who_was_declared_dead_says_why_and_what_has_become_of_its_runs(
    redis_url, store, caplog, holds
):
    caplog.set_level(logging.WARNING, LOGGER)
    worker = registered(redis_url)
    async with beating(worker):
        if holds:
            await holding_a_run(store, worker.lease.holder)
        first = worker.id
        await bury(store, first, expired=False)
        await comes_back(worker, first)
    runs = "its runs were reassigned: 1" if holds else "it held no run"
    words = f"this worker was declared dead: its connection to Redis was closed; {runs}. It cont"
    assert any(line.startswith(words) for line in caplog.messages)


async def test_who_is_lost_by_redis_says_that_redis_has_lost_data(redis_url, store, caplog):
    worker = registered(redis_url)
    async with beating(worker):
        first = worker.id
        await store.session.runner.command("FLUSHALL")
        await comes_back(worker, first)
    assert len(worker.burials) == 1
    assert any("Redis has lost data: it does not know" in line for line in caplog.messages)
    assert not any("was declared dead" in line for line in caplog.messages)


async def test_a_note_that_may_not_be_read_is_none(redis_url, store):
    await store.session.runner.command("SET", store.session.keys.deaths(), "not a stream")
    async with open_heartbeat(redis_url, NAMESPACE) as connection:
        assert await connection.death_of(INFO.id) is None


def test_a_note_of_a_later_release_is_read_and_one_that_cannot_be_is_left_out() -> None:
    later = '{"worker": "a:1:x", "cause": "bored", "mood": "low"}'
    [death] = deaths_in([("5000-0", ["death", later]), ("6000-0", {"other": "thing"})])
    assert (death.name, death.at, death.sign) == ("a:1", 5.0, "bored")
