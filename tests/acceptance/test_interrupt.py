"""`when_busy="interrupt"` takes a thread from the run that holds it, and from nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from itertools import pairwise
from typing import Literal

import pytest
from tests.support.processes.worker import Workers
from tests.support.provider_requests import by_thread, said_to

from threadmill import Assistant, Run, Thread
from threadmill.testing import Record, Reply, Request, StandIn, Text
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store

pytestmark = pytest.mark.any_api

THREADS = 20
SAYS = 6
INTERRUPTS = 3


def count(request: Request) -> Reply:
    return Reply([Text([f"{number} " for number in range(10)])], delay=0.01)


async def enqueue(
    name: str, number: int, when_busy: Literal["queue", "interrupt"] = "queue"
) -> Run:
    text, thread = f"{name} {when_busy} {number}", Thread(key=name)
    return await Assistant(name="plain").enqueue_async(text, thread, when_busy=when_busy)


async def fill(name: str) -> list[Run]:
    return [await enqueue(name, number) for number in range(SAYS)]


async def interrupt(name: str) -> list[Run]:
    """Again, as soon as the last interrupting run has left the thread to the common ones."""
    runs: list[Run] = []
    for number in range(INTERRUPTS):
        runs.append(await enqueue(name, number, "interrupt"))
        await runs[-1].wait_async(30)
    return runs


async def statuses(runs: Iterable[Run]) -> list[str]:
    ended = await asyncio.gather(*(run.wait_async(30) for run in runs))
    return [run.status for run in ended]


async def test_interrupts_under_load_leave_all_other_runs_alone_and_in_order(
    workers: Workers, standin: StandIn, redis_url: str
) -> None:
    standin.brain = count
    workers.start("bot", 2)
    names = [f"{kind}-{number}" for number in range(THREADS // 2) for kind in ("calm", "torn")]
    common = dict(zip(names, await asyncio.gather(*map(fill, names)), strict=True))
    torn = [name for name in names if name.startswith("torn")]
    urgent = dict(zip(torn, await asyncio.gather(*map(interrupt, torn)), strict=True))

    cancelled = 0
    for name in names:
        ends = await statuses(common[name])
        cancelled += ends.count("cancelled")
        assert set(ends) <= {"completed", "cancelled"}
        if name in urgent:
            assert ends.count("cancelled") <= INTERRUPTS
            assert await statuses(urgent[name]) == ["completed"] * INTERRUPTS
        else:
            assert ends == ["completed"] * SAYS
    assert cancelled >= len(torn)
    for name in names:
        await assert_one_by_one(redis_url, [*common[name], *urgent.get(name, [])])
        await assert_in_order(redis_url, common[name])
        await assert_each_saw_all_before_it(name, by_thread(standin.requests)[name])


async def executions(redis_url: str, runs: Iterable[Run]) -> list[tuple[int, int]]:
    """When each of those runs that a worker has begun began and ended; by the server's clock."""
    async with aclosing(connect(redis_url)) as client:
        store = Store(client, "threadmill")
        records = [await store.runs.record(run.id) for run in runs]
    return [(r.started_at, r.ended_at or 0) for r in records if r and r.started_at]


async def assert_one_by_one(redis_url: str, runs: Iterable[Run]) -> None:
    spans = sorted(await executions(redis_url, runs))
    assert all(former[1] <= later[0] for former, later in pairwise(spans))


async def assert_in_order(redis_url: str, runs: Iterable[Run]) -> None:
    spans = await executions(redis_url, runs)
    assert spans == sorted(spans)


async def assert_each_saw_all_before_it(name: str, requests: Iterable[Record]) -> None:
    texts = [m.text for m in await Thread(key=name).get_messages_async(limit=100)]
    for request in requests:
        said = said_to(request)
        assert said == texts[: len(said)]
        assert said[-1] == request.user_text
