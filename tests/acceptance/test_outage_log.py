"""What a worker logs while Redis or the broker is away: one line at the start, one at the end."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.environment import isolated_environment
from tests.support.paths import BOTS
from tests.support.processes.commands import run_threadmill
from tests.support.processes.worker import Worker
from tests.support.servers.ports import free_port
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant
from threadmill.testing import StandIn

AWAY_SECONDS = 7.0
PASSWORD = "what-no-log-may-have"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    folder = tmp_path / "store"
    folder.mkdir()
    with RedisServer(folder, appendonly=True) as server:
        yield server


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RedisServer]:
    folder = tmp_path / "broker"
    folder.mkdir()
    with RedisServer(folder) as broker:
        yield broker


@contextmanager
def logging_worker(
    folder: Path, url: str, *, ready: bool = True, **settings: str
) -> Iterator[Worker]:
    """A worker that logs all that it can as JSON."""
    settings = {"THREADMILL_LOG_FORMAT": "json", **settings}
    with StandIn() as standin, isolated_environment(url, standin, "responses", **settings):
        standin.brain = lambda _: "Hello."
        worker = Worker(folder / "log", ("bot",), BOTS, {}, options=("--log-level", "DEBUG"))
        try:
            if ready:
                wait_until(lambda: " ready: " in worker.log(), "it is ready", 30)
            yield worker
        finally:
            worker.terminate()
            assert worker.ends()
            print(worker.log())


def told(worker: Worker) -> list[dict[str, Any]]:
    """Its lines of at least INFO but for its own beginning and end."""
    entries = [json.loads(line) for line in worker.log().splitlines()]
    return [
        entry
        for entry in entries
        if entry["level"] != "DEBUG"
        and " ready: " not in entry["message"]
        and "told to stop" not in entry["message"]
        and "has ended" not in entry["message"]
    ]


def returns(worker: Worker) -> bool:
    lines = [entry["message"] for entry in told(worker) if "used again" in entry["message"]]
    return any(line.startswith("Redis at") for line in lines)


def tells(worker: Worker, words: str) -> bool:
    return words in worker.log()


def executes(text: str = "Hello") -> bool:
    return Assistant(name="plain").enqueue(text).wait(30).status == "completed"


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_a_redis_that_is_away_is_told_once_by_each_part_and_so_is_its_return(
    how: str, server: RedisServer, tmp_path: Path
) -> None:
    with logging_worker(tmp_path, server.url()) as worker:
        assert executes()
        if how == "kill":
            server.kill()
        else:
            os.kill(server.pid, signal.SIGSTOP)
        wait_until(lambda: len(told(worker)) >= 1, "it is noticed", 20)
        time.sleep(AWAY_SECONDS)
        if how == "kill":
            server.start()
        else:
            os.kill(server.pid, signal.SIGCONT)
        assert executes()
        wait_until(lambda: returns(worker), "its return is told", 20)
        time.sleep(2)  # to show that nothing else is
        lines = told(worker)
    causes = {
        # Closed, if the server is killed while a command waits for its answer; lost, while it is
        # sent.
        "kill": ("connection was refused", "it closes the connection", "connection was lost"),
        "freeze": ("it does not answer in time",),
    }
    store = [entry["message"] for entry in lines if entry["message"].startswith("Redis at")]
    others = [entry["message"] for entry in lines if "broker" in entry["message"]]
    assert len(store) == 2, lines
    assert f"127.0.0.1:{server.port}/0 cannot be used: " in store[0]
    assert any(cause in store[0] for cause in causes[how])
    assert "can be used again, after " in store[1]
    assert len(others) in {0, 2}, lines
    assert len(store) + len(others) == len(lines)
    assert {entry["level"] for entry in lines} == {"WARNING"}
    assert {entry["logger"] for entry in lines} <= {"threadmill.worker", "threadmill.broker"}


def test_a_broker_that_is_away_is_told_once_and_so_is_its_return(
    server: RedisServer, broker: RedisServer, tmp_path: Path
) -> None:
    with logging_worker(tmp_path, server.url(), THREADMILL_BROKER_URL=broker.url()) as worker:
        assert executes()
        broker.kill()
        wait_until(lambda: told(worker), "it is noticed", 20)
        time.sleep(AWAY_SECONDS)
        broker.start()
        wait_until(lambda: len(told(worker)) == 2, "its return is told", 20)
        assert executes()
        time.sleep(1)
        away, back = told(worker)
    assert "broker redis://127.0.0.1" in away["message"]
    assert str(broker.port) in away["message"]
    assert "can be used again, after " in back["message"]


def test_a_redis_that_becomes_a_replica_is_told_once_and_so_is_its_return(
    server: RedisServer, tmp_path: Path
) -> None:
    with logging_worker(tmp_path, server.url()) as worker:
        assert executes()
        with server.connected() as client:
            client.replicaof("127.0.0.1", free_port())
            wait_until(lambda: len(told(worker)) >= 2, "it is noticed", 20)
            time.sleep(AWAY_SECONDS)
            lines = told(worker)
            client.replicaof("no", "one")
        assert executes()
        wait_until(lambda: returns(worker), "its return is told", 20)
    assert len(lines) == 2, lines
    for line in lines:
        assert "it is a replica, which refuses writes" in line["message"]
        assert line["level"] == "WARNING"


def test_a_full_redis_is_told_in_few_lines_by_workers_that_run_and_by_one_that_starts(
    server: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "second").mkdir()
    with (
        logging_worker(tmp_path, server.url(), THREADMILL_METRICS_PORT=str(free_port())) as first,
        server.connected() as client,
    ):
        assert executes()
        client.config_set("maxmemory", 1)
        with logging_worker(tmp_path / "second", server.url(), ready=False) as second:
            wait_until(lambda: "cannot receive from broker" in second.log(), "it is noticed", 20)
            wait_until(lambda: "could not send" in first.log(), "the other one finds it", 30)
            time.sleep(AWAY_SECONDS)
            full = [told(worker) for worker in (first, second)]
            client.config_set("maxmemory", 0)
            wait_until(lambda: " ready: " in second.log(), "the second one is ready", 30)
            for worker in (first, second):
                wait_until(partial(tells, worker, "Redis has room again"), "its end is told", 20)
            assert "can be used again" in second.log()
            assert executes()
    for lines in full:
        assert {line["level"] for line in lines} <= {"INFO", "WARNING"}, lines
        said = [line["message"] for line in lines if line["level"] == "WARNING"]
        assert all("full (maxmemory)" in one for one in said), said
        assert len(said) == len({one.partition(":")[0] for one in said}) <= 3, said
        assert not any("threadmill.ping" in one or "lease" in one for one in said), said


def test_another_cause_of_an_outage_is_told_too(server: RedisServer, tmp_path: Path) -> None:
    with logging_worker(tmp_path, server.url()) as worker:
        assert executes()
        server.kill()
        wait_until(lambda: told(worker), "it is noticed", 20)
        server.password = PASSWORD
        server.start()
        # The broker's line has the same cause.
        rejected = re.compile(r"Redis at [^;]* the URL has none")
        wait_until(lambda: rejected.search(worker.log()), "the other cause is told", 30)
        with server.connected() as client:
            client.config_set("requirepass", "")
        wait_until(lambda: returns(worker), "its return is told", 20)
        assert executes()
        causes = [entry["message"] for entry in told(worker) if "Redis at" in entry["message"]]
    assert ["requires a password" in line for line in causes] == [False, True, False]


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_worker_without_its_broker_says_so_once_and_without_the_password(
    scheme: str, server: RedisServer, tmp_path: Path
) -> None:
    url = f"{scheme}://me:{PASSWORD}@127.0.0.1:{free_port()}/0"
    with logging_worker(tmp_path, server.url(), ready=False, THREADMILL_BROKER_URL=url) as worker:
        wait_until(lambda: told(worker), "it is noticed", 20)
        time.sleep(3)
        [line] = told(worker)
    assert "cannot receive from broker" in line["message"]
    assert "the connection was refused" in line["message"]
    assert PASSWORD not in worker.log()


@pytest.mark.parametrize("format", ["console", "json"])
def test_a_worker_without_its_redis_ends_with_one_line(format: str, tmp_path: Path) -> None:
    url = f"redis://me:{PASSWORD}@127.0.0.1:{free_port()}/0"
    settings = {"OPENAI_BASE_URL": "http://127.0.0.1:1", "THREADMILL_REDIS_URL": url}
    done = run_threadmill("worker", "json", THREADMILL_LOG_FORMAT=format, **settings)
    assert done.returncode == 1
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if "defines no assistant" not in line]
    assert len(lines) == 1, done.stderr
    said = json.loads(lines[0])["message"] if format == "json" else lines[0]
    assert "Redis cannot be reached" in said
    assert PASSWORD not in done.stderr


def test_a_consumer_that_ends_by_itself_is_told_without_a_traceback(
    server: RedisServer, tmp_path: Path
) -> None:
    with logging_worker(tmp_path, server.url()) as worker:
        with server.connected() as client:
            client.lpush("threadmill", "no message at all")
        wait_until(lambda: told(worker), "it is noticed", 20)
        assert executes()
        lines = told(worker)
    assert [entry["message"].partition(" (")[0] for entry in lines] == [
        "the consumer ended by itself"
    ]
    assert "traceback" not in lines[0]
    assert "no message at all" not in worker.log()
