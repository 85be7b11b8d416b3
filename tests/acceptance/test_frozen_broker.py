"""A broker that does not answer, while the store does: what was asked for is stored, and waits."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.environment import isolated_environment
from tests.support.processes.worker import Workers
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant, Run
from threadmill.client.current import close_client
from threadmill.testing import StandIn

STALL_SECONDS = 0.5
"""A loop that stood still for so long was blocked, whatever else this machine has to do."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that is only the broker, and does not answer until `thaw`."""
    with RedisServer(tmp_path) as server:
        os.kill(server.pid, signal.SIGSTOP)
        yield server
        thaw(server)


def thaw(server: RedisServer) -> None:
    os.kill(server.pid, signal.SIGCONT)


@pytest.fixture
def beside(redis_url: str, standin: StandIn, broker: RedisServer) -> Iterator[None]:
    with isolated_environment(redis_url, standin, "responses", THREADMILL_BROKER_URL=broker.url()):
        yield


async def longest_stall(until: asyncio.Future[Run]) -> float:
    """The longest time between two turns of the loop that ought to be a hundredth of a second."""
    times = [time.monotonic()]
    while not until.done():
        await asyncio.sleep(0.01)
        times.append(time.monotonic())
    return max(after - before for before, after in itertools.pairwise(times))


@pytest.mark.quiet
async def test_enqueue_blocks_no_loop_and_says_in_the_log_what_could_not_be_sent(
    beside: None, caplog: pytest.LogCaptureFixture
) -> None:
    begun = time.monotonic()
    enqueueing = asyncio.ensure_future(Assistant(name="plain").enqueue_async("Hello!"))
    stall = await longest_stall(enqueueing)
    run = await enqueueing

    assert stall < STALL_SECONDS
    assert time.monotonic() - begun < 2
    assert (await run.refresh_async()).status == "queued"
    while not (found := [m for m in caplog.messages if f"could not send {run.id}" in m]):
        assert time.monotonic() - begun < 10
        await asyncio.sleep(0.05)
    assert "the run is stored; a worker sends it again" in found[0]


def test_what_could_not_be_sent_is_executed_when_the_broker_answers_again(
    beside: None, broker: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Assistant(name="plain").enqueue("Hello!")
    wait_until(lambda: f"could not send {run.id}" in caplog.text, "the send has failed")
    close_client()
    thaw(broker)
    with Workers(tmp_path) as workers:
        workers.start("bot")
        assert run.wait(15).status == "completed"
