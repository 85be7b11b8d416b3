"""What a worker's heartbeats and sweeps cost: little, and no more with many runs in flight."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import redis
from tests.support.processes.worker import Worker, Workers
from tests.support.waiting import wait_until_async

from threadmill import Assistant
from threadmill.testing import Fault, StandIn

RUNS = 1000
WINDOWS = 2
SECONDS = 5.0
"""In each window a worker compares its runs with the store once."""
CORE = 0.01
"""Share of a core that the whole process may take."""
GROWTH, GROWN = 0.3, 0.002
"""How much that share may grow from no run to so many: as a part of it, or as a share of a core. It
is not measured more closely in a few seconds."""
SENT = 8000
"""Bytes that it sends to Redis in a second; they are the same on any machine."""
SENT_GROWTH = 1.2


@dataclass(frozen=True)
class Cost:
    """Per second; of several windows the cheapest, since whatever else happens only adds."""

    core: float
    sent: float


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def cpu_seconds(worker: Worker) -> float:
    """CPU time of all its threads, in the resolution of the clock; `times` has only hundredths."""
    return time.clock_gettime((~worker.pid << 3) | 2)


async def cost(worker: Worker, server: redis.Redis) -> Cost:
    cores, sent = [], []
    for _ in range(WINDOWS):
        cpu, sent_before, begun = cpu_seconds(worker), bytes_in(server), time.monotonic()
        await asyncio.sleep(SECONDS)
        took = time.monotonic() - begun
        cores.append((cpu_seconds(worker) - cpu) / took)
        sent.append((bytes_in(server) - sent_before) / took)
    return Cost(min(cores), min(sent))


def bytes_in(server: redis.Redis) -> int:
    found: int = server.info("stats")["total_net_input_bytes"]
    return found


@pytest.mark.quiet
@pytest.mark.parametrize("metrics", ["without metrics", "with metrics"])
@pytest.mark.parametrize("api", ["responses"], indirect=True)
async def test_heartbeats_and_sweeps_cost_less_than_a_hundredth_of_a_core_however_many_runs(
    workers: Workers,
    standin: StandIn,
    server: redis.Redis,
    report: Callable[[str], None],
    metrics: str,
) -> None:
    standin.brain = lambda _: Fault.hang(None)
    environment = {"THREADMILL_CONCURRENCY": str(RUNS), "THREADMILL_DRAIN_SECONDS": "0"}
    if metrics == "with metrics":  # it is also the one that counts what waits in the fleet
        environment["THREADMILL_METRICS_PORT"] = "0"
    [worker] = workers.start("bot", **environment)
    idle = await cost(worker, server)

    plain = Assistant(name="plain")
    await asyncio.gather(*(plain.enqueue_async("wait") for _ in range(RUNS)))
    await wait_until_async(lambda: len(standin.requests) == RUNS, "all are in flight", 60)
    busy = await cost(worker, server)

    report(
        f"a worker's heartbeats and sweeps, {metrics}\n{idle.core:.2%} of a core without runs, "
        f"{busy.core:.2%} with {RUNS} silent ones; it sends Redis {idle.sent:.0f} and "
        f"{busy.sent:.0f} bytes a second"
    )
    assert idle.core < CORE
    assert busy.core < CORE
    assert busy.core < idle.core + max(GROWTH * idle.core, GROWN)
    assert idle.sent < SENT
    assert busy.sent < SENT_GROWTH * idle.sent
