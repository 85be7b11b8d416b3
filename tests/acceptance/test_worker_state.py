"""What a worker says of itself in the store while it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.processes.worker import Worker, Workers
from tests.support.scrapes import metrics_url
from tests.support.waiting import wait_until

from threadmill import Assistant
from threadmill.testing import Fault, Pause, Reply, StandIn, Text
from threadmill_shared.records.worker_state import WorkerState
from threadmill_shared.records.workers import RegisteredWorker
from threadmill_shared.store.connections import connect
from threadmill_shared.store.keys import Keys
from threadmill_shared.store.store import Store

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

REPORT_SECONDS = 15.0
"""By then it has written a change; it does every 5 s."""


def registered(url: str) -> list[RegisteredWorker]:
    async def read() -> list[RegisteredWorker]:
        store = Store(connect(url), "threadmill")
        try:
            return await store.workers.registered()
        finally:
            await store.close()

    return asyncio.run(read())


def state_of(url: str, worker: Worker) -> WorkerState | None:
    [found] = [one for one in registered(url) if one.info.worker == worker.name]
    return found.state


def wait_for_state(url: str, worker: Worker, is_so: Callable[[WorkerState], bool]) -> WorkerState:
    def find() -> WorkerState | None:
        state = state_of(url, worker)
        return state if state is not None and is_so(state) else None

    found = wait_until(find, "the worker has written that", REPORT_SECONDS)
    assert found is not None
    return found


def test_a_worker_that_is_ready_has_written_what_it_is(
    workers: Workers, standin: StandIn, redis_url: str
) -> None:
    [worker] = workers.start("dangerous", THREADMILL_CONCURRENCY="7")
    [found] = registered(redis_url)
    state = found.state
    assert state is not None
    assert (found.has_lease, state.slots, state.running) == (True, 7, 0)
    assert state.modules == ("dangerous",)
    assert "dangerous" in state.assistants
    assert any(name.endswith(":dawdle") for name in found.tools)
    assert state.version
    assert state.provider.host == standin.base_url.split("/")[2]
    assert (state.provider.api, state.provider.state) == ("responses", "unknown")
    assert found.state_age is not None
    assert found.state_age < REPORT_SECONDS
    assert worker.name == found.info.worker


def test_it_writes_how_many_runs_and_threads_are_busy(
    workers: Workers, redis_url: str, tmp_path: Path
) -> None:
    [worker] = workers.start("dangerous")
    notes = tmp_path / "notes"
    notes.touch()
    run = Assistant.load("dangerous").enqueue(
        'call dawdle {"seconds": 3600}', context={"notes": str(notes)}
    )
    state = wait_for_state(redis_url, worker, lambda one: one.tool_threads.busy == 1)
    assert (state.running, state.tool_threads.limit) == (1, 64)
    assert state.provider.state == "answering"
    run.cancel()
    state = wait_for_state(redis_url, worker, lambda one: one.tool_threads.abandoned == 1)
    assert (state.running, state.tool_threads.busy) == (0, 0)


def test_it_writes_that_its_provider_fails_and_that_it_answers_again(
    workers: Workers, standin: StandIn, redis_url: str
) -> None:
    [worker] = workers.start("bot")
    standin.brain = lambda _: Fault.status(401)
    run = Assistant.load("plain").enqueue("Hello")
    assert run.wait(20).status == "failed"
    state = wait_for_state(redis_url, worker, lambda one: one.provider.state == "failing")
    assert state.provider.cause == "the key is wrong (HTTP 401)"
    assert state.provider.since > 0
    assert state.provider.failed_at > 0
    pause = Pause(after_tokens=10)
    standin.brain = lambda _: Reply([Text(["word "] * 20)], pause=pause)
    run = Assistant.load("plain").enqueue("Hello")
    state = wait_for_state(redis_url, worker, lambda one: one.provider.state == "answering")
    assert state.provider.cause is None
    assert state.running == 1  # the answer has begun, and not ended
    pause.end()
    assert run.wait(20).status == "completed"

    standin.brain = lambda _: Fault.status(404)
    missing = Assistant(name="plain", model="gpt-nope").enqueue("Hello")
    assert missing.wait(20).status == "failed"
    state = wait_for_state(redis_url, worker, lambda one: bool(one.provider.missing_models))
    assert list(state.provider.missing_models) == ["gpt-nope"]
    assert state.provider.state == "answering"


def test_a_worker_that_ends_or_is_found_dead_leaves_no_state(
    workers: Workers, redis_url: str
) -> None:
    first, second, third = workers.start("bot", 3)
    ids = [one.info.id for one in registered(redis_url) if one.info.worker != third.name]
    first.terminate()
    assert first.ends()
    second.kill()
    wait_until(lambda: len(registered(redis_url)) == 1, "both are removed")
    assert asyncio.run(states(redis_url, ids)) == [None, None]


async def states(url: str, ids: list[str]) -> list[str | None]:
    client = connect(url)
    try:
        return [await client.get(Keys("threadmill").worker_state(id)) for id in ids]
    finally:
        await client.aclose()


def test_its_state_names_the_address_of_its_metrics_from_the_first_moment_on(
    workers: Workers, redis_url: str
) -> None:
    [worker] = workers.start("bot", THREADMILL_METRICS_PORT="0")
    state = state_of(redis_url, worker)
    assert state is not None
    assert metrics_url(worker) == f"http://{state.metrics}/metrics"


def test_without_metrics_it_names_none(workers: Workers, redis_url: str) -> None:
    [worker] = workers.start("bot")
    state = state_of(redis_url, worker)
    assert state is not None
    assert state.metrics is None
