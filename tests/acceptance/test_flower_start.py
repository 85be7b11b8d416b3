"""Flower starts only with a broker that it may use, and says what is wrong with another one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.environment import isolated_environment
from tests.support.paths import BOTS
from tests.support.processes.commands import COMMAND, run_command, run_threadmill
from tests.support.processes.flower import CREDENTIAL, Flower
from tests.support.processes.worker import Worker
from tests.support.servers.ports import free_port
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill.testing import StandIn

PASSWORD = "what-no-log-may-have"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own."""
    folder = tmp_path / "store"
    folder.mkdir()
    with RedisServer(folder) as server:
        yield server


@contextmanager
def flower_settings(url: str, **more: str) -> Iterator[int]:
    """The environment of a Flower; the port at which it is to listen."""
    port = free_port()
    more = {"FLOWER_BASIC_AUTH": CREDENTIAL, "FLOWER_PORT": str(port), **more}
    with StandIn() as standin, isolated_environment(url, standin, "responses", **more):
        yield port


@pytest.mark.parametrize(
    ("login", "cause"),
    [
        (f":{PASSWORD}@", "it rejects the user name and password"),
        ("", "it requires a password, and the URL has none"),
    ],
)
def test_flower_does_not_start_with_a_login_that_is_rejected(
    server: RedisServer, login: str, cause: str
) -> None:
    with server.connected() as client:
        client.execute_command("ACL", "SETUSER", "default", "resetpass", ">right")
    with flower_settings(f"redis://{login}127.0.0.1:{server.port}/0"):
        ended = run_threadmill("flower")
        module = (sys.executable, "-P", "-m", "threadmill_workers.flower")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("THREADMILL_LOG_FORMAT", "json")
            in_json = run_command(*module)
    assert (ended.returncode, in_json.returncode) == (1, 1)
    [line] = ended.stderr.splitlines()
    words = f"The broker cannot be used: {cause}. It is redis://127.0.0.1:{server.port}/0"
    assert line.startswith(words)
    assert "THREADMILL_REDIS_URL" in line
    assert PASSWORD not in ended.stderr + in_json.stderr
    [entry] = map(json.loads, in_json.stderr.splitlines())
    assert entry["level"] == "CRITICAL"
    assert entry["message"] == f"Flower cannot start: {line}"


def test_flower_waits_for_a_broker_that_is_away_with_a_line_when_it_goes_and_comes(
    server: RedisServer, tmp_path: Path
) -> None:
    server.stop()
    log = tmp_path / "flower.log"
    with flower_settings(server.url(), THREADMILL_LOG_FORMAT="json") as port:
        flower = Flower(port)
        with (
            log.open("wb") as output,
            subprocess.Popen(
                [*COMMAND, "flower"], stdout=output, stderr=output, cwd=tmp_path
            ) as process,
        ):
            try:
                wait_until(lambda: flower.ask("/api/tasks")[0] == 200, "Flower answers", 30)
                assert [one["message"] for one in lines(log, "threadmill.broker")] == [away(server)]
                server.start()
                comes = wait_until(lambda: lines(log, "threadmill.broker")[1:], "it is back", 30)
                assert "can be used again, after " in comes[0]["message"]
                worker = Worker(tmp_path / "worker.log", ("bot",), BOTS, {})
                try:
                    worker.wait_ready()
                    wait_until(flower.workers, "the worker in Flower", 30)
                    server.stop()
                    goes = wait_until(lambda: lines(log, "threadmill.broker")[2:], "it is away", 30)
                    assert [one["message"] for one in goes] == [away(server)]
                    server.start()
                finally:
                    worker.terminate()
                    worker.ends()
            finally:
                process.terminate()
    assert {one["logger"].partition(".")[0] for one in lines(log)} <= {
        *("threadmill", "flower", "tornado", "kombu"),
    }


def away(server: RedisServer) -> str:
    return (
        f"cannot watch broker redis://127.0.0.1:{server.port}/0: nothing listens at this address:"
        " the connection was refused; nothing new is shown until it can be used again"
    )


def lines(log: Path, logger: str = "") -> list[dict[str, Any]]:
    """The lines of a logger, each of which is JSON."""
    found = map(json.loads, log.read_text().splitlines())
    return [one for one in found if one["logger"].startswith(logger)]
