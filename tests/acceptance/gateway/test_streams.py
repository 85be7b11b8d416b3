"""Streams that are left, or not read: what they cost the others, and the gateway."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import islice
from typing import Any

import httpx2 as httpx
import psutil
import pytest
import redis
from tests.acceptance.gateway.conftest import Served
from tests.acceptance.gateway.test_resuming import begin, events_of, text_of
from tests.support.api_answers.recording_gateway import ANSWERS
from tests.support.processes.gateway import GatewayProcess, Gateways
from tests.support.waiting import wait_until

from threadmill import Assistant
from threadmill_shared.settings import load_settings
from threadmill_shared.store.keys import Keys

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")

TOKENS, NOW = 20_000, 1_764_550_000_000
STUCK = 8
GROWN_MB = 8
"""How much the gateway may grow. Those who do not read are sent 33 MB together."""


@pytest.fixture
def lean(
    served: Served,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[GatewayProcess]:
    """A gateway that records nothing."""
    with Gateways(tmp_path_factory.mktemp("lean")) as gateways:
        yield gateways.start(**{ANSWERS: ""})


@pytest.fixture
def small(
    served: Served,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[GatewayProcess]:
    """A gateway that takes two streams."""
    with Gateways(tmp_path_factory.mktemp("small")) as gateways:
        yield gateways.start(THREADMILL_GATEWAY_STREAMS="2")


def status_of(gateway: GatewayProcess, path: str) -> int:
    """The answer to one more stream, which is left at once."""
    with httpx.stream("GET", f"{gateway.url}{path}", timeout=30) as response:
        return response.status_code


def test_a_client_that_goes_makes_room_for_another_at_once(
    served: Served, small: GatewayProcess
) -> None:
    path = begin(served, "tokens=2000 delay=0.05")
    url = f"{small.url}{path}"
    with ExitStack() as first, httpx.stream("GET", url, timeout=30):
        first.enter_context(httpx.stream("GET", url, timeout=30))
        wait_until(lambda: status_of(small, path) == 429, "both are open")
        first.close()
        left_at = time.monotonic()
        wait_until(lambda: status_of(small, path) == 200, "there is room")
        assert time.monotonic() - left_at < 2
        assert "Traceback" not in small.log()


def test_those_who_do_not_read_hold_up_neither_the_others_nor_the_gateways_memory(
    lean: GatewayProcess,
) -> None:
    run = Assistant(name="unread", queue="nobody").enqueue("hello")
    path = f"/v1/threads/{run.thread_id}/runs/{run.id}/events"
    process = psutil.Process(lean.pid)
    with ExitStack() as stuck:
        before = process.memory_info().rss
        for _ in range(STUCK):
            stuck.enter_context(unread(lean, path))
        with httpx.stream("GET", f"{lean.url}{path}?starting_after=0", timeout=30) as response:
            write_deltas(run.id, TOKENS)
            texts = (text_of([event]) for event in events_of(response))
            assert sum(1 for text in islice(filter(None, texts), TOKENS)) == TOKENS
        assert (process.memory_info().rss - before) / 1e6 < GROWN_MB


def write_deltas(run_id: str, count: int) -> None:
    """What a worker writes that writes one token at a time, but faster."""
    settings = load_settings()
    keys, server = Keys(settings.namespace), redis.Redis.from_url(settings.store_url())
    log, record, last = keys.log(run_id), keys.run(run_id), 2
    with closing(server):
        for _ in range(count // 100):
            pipeline: Any = server.pipeline(transaction=False)
            for last in range(last + 1, last + 101):  # noqa: B020
                pipeline.execute_command("XADD", log, last, "e", '["d",0,["token "]]', "t", NOW)
            pipeline.hset(record, "events", last)
            pipeline.publish(log, last)
            pipeline.execute()


def unread(gateway: GatewayProcess, path: str) -> socket.socket:
    """A client that asks for a stream and never reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = httpx.URL(gateway.url).host, httpx.URL(gateway.url).port
    client.connect((host, port))
    client.sendall(f"GET {path}?starting_after=0 HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    return client
