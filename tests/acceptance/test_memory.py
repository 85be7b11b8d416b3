"""A worker's memory does not grow with the number of its runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.support.processes.worker import Workers

from threadmill import Assistant
from threadmill.testing import StandIn

FIRST = 500
ALL = 2000
IN_FLIGHT = 50
GROWTH = 1.1


async def execute(count: int) -> None:
    """Runs of one token, each on a thread of its own."""
    plain, left = Assistant(name="plain"), iter(range(count))

    async def work() -> None:
        for _ in left:
            run = await plain.enqueue_async("tokens=1")
            await run.wait_async(30)
            assert run.status == "completed"

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


@pytest.mark.parametrize("api", ["responses"], indirect=True)
async def test_after_2000_runs_a_worker_has_the_memory_it_had_after_500(
    workers: Workers, standin: StandIn, report: Callable[[str], None]
) -> None:
    [worker] = workers.start("bot")
    await execute(FIRST)
    after_first = worker.rss
    await execute(ALL - FIRST)
    after_all = worker.rss
    report(
        f"worker's memory\n{after_first / 1e6:.1f} MB, {after_all / 1e6:.1f} MB after {ALL} runs"
    )
    assert after_all < GROWTH * after_first
