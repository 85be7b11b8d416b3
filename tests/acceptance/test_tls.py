"""A fleet whose Redis speaks TLS and asks for a password: all of it works by one URL, the password
is shown by nobody, and where the certificate is not the right one nobody goes on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.environment import isolated_environment
from tests.support.paths import BOTS
from tests.support.processes.commands import COMMAND, run_command
from tests.support.processes.flower import CREDENTIAL, Flower, running_flower
from tests.support.processes.worker import Workers
from tests.support.servers.certificates import Authority, needs_openssl
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.tls import ImpostorServer, TlsRedis
from tests.support.waiting import wait_until

from threadmill import Assistant
from threadmill.testing import StandIn

PASSWORD = "QZXJ/2031@home"
ENCODED = "QZXJ%2F2031%40home"
HERE = "IP:127.0.0.1"

pytestmark = [needs_openssl, pytest.mark.any_api]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Iterator[TlsRedis]:
    (tmp_path / "redis").mkdir()
    own = authority.sign("server", HERE)
    socket = ("--unixsocket", str(tmp_path / "redis.sock"))
    with TlsRedis(tmp_path / "redis", authority, own, "--requirepass", PASSWORD, *socket) as server:
        yield server


def pages(flower: Flower) -> str:
    """What Flower shows of its broker, its workers and their settings."""
    [worker] = flower.workers()
    paths = ["/broker", "/api/queues/length", "/workers", f"/worker/{worker}", "/api/tasks"]
    answers = [flower.ask(path) for path in [*paths, "/api/workers?refresh=1"]]
    assert {status for status, _ in answers} == {200}
    return "\n".join(text for _, text in answers)


@pytest.mark.parametrize("kind", ["tls", "socket"])
def test_a_say_goes_through_and_nobody_shows_a_piece_of_the_password(
    server: TlsRedis, authority: Authority, standin: StandIn, tmp_path: Path, kind: str
) -> None:
    urls = {
        "tls": f"{server.url(login=f':{ENCODED}@')}?ssl_ca_certs={authority.file}&socket_timeout=6",
        "socket": f"unix://:{ENCODED}@{tmp_path}/redis.sock?db=1",
    }
    (tmp_path / "flower").mkdir()
    with (
        isolated_environment(urls[kind], standin, "responses"),
        Workers(tmp_path) as workers,
        running_flower(tmp_path / "flower") as flower,
    ):
        [worker] = workers.start("bot")
        wait_until(flower.workers, "the worker in Flower", 30)
        run = Assistant.load("plain").say("Hello!", event_handler_class=None)
        assert run.status == "completed"
        wait_until(flower.tasks, "the run's task in Flower", 30)
        shown = wait_until(lambda: _with_settings(pages(flower)), "the worker's settings", 30)
        told = f"{shown}\n{worker.log()}\n{(tmp_path / 'flower' / 'flower.log').read_text()}"
    assert "QZXJ" not in told
    assert "2031%40" not in told
    assert "nsecure" not in told


def _with_settings(shown: str) -> str:
    return shown if "broker_transport_options" in shown else ""


def test_a_worker_does_not_start_where_the_stores_certificate_is_anothers(
    standin: StandIn, tmp_path: Path
) -> None:
    with ImpostorServer(Authority(tmp_path / "other").sign("stranger", HERE)) as stranger:
        url = f"rediss://:{ENCODED}@127.0.0.1:{stranger.port}/0"
        with isolated_environment(url, standin, "responses"):
            ended = run_command(*COMMAND, "worker", "bot", folder=BOTS)
        assert ended.returncode == 1
        assert "certificate could not be verified" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert not stranger.heard


@pytest.mark.parametrize("command", ["threadmill worker bot", "threadmill_workers.flower"])
def test_worker_and_flower_do_not_start_where_the_brokers_certificate_is_anothers(
    redis_server: RedisServer, standin: StandIn, tmp_path: Path, command: str
) -> None:
    with ImpostorServer(Authority(tmp_path / "other").sign("stranger", HERE)) as stranger:
        broker = f"rediss://:{ENCODED}@127.0.0.1:{stranger.port}/0"
        given = {"THREADMILL_BROKER_URL": broker, "FLOWER_BASIC_AUTH": CREDENTIAL}
        with isolated_environment(redis_server.fresh_database(), standin, "responses", **given):
            ended = run_command(sys.executable, "-m", *command.split(), folder=BOTS)
        told = ended.stdout + ended.stderr
        assert ended.returncode == 1
        assert "The broker cannot be used: the server's certificate could not be verified" in told
        assert "Traceback" not in told
        assert "QZXJ" not in told
        assert not stranger.heard


WORKER = ["threadmill", "worker", "bot"]
COMMANDS = [WORKER, ["threadmill", "say", "plain", "Hello"], ["threadmill", "dev", "bot"]]
BY_VARIABLE = {
    "THREADMILL_REDIS_URL": [*COMMANDS, ["threadmill_workers.health"]],
    "THREADMILL_BROKER_URL": [*COMMANDS, ["threadmill_workers.flower"]],
}


@pytest.mark.parametrize(
    ("variable", "command"),
    [(variable, command) for variable, commands in BY_VARIABLE.items() for command in commands],
)
@pytest.mark.parametrize("url", ["redis://:QZXJ/2031@127.0.0.1:1/0", "redis://h?no_option=QZXJ"])
def test_every_command_refuses_a_malformed_url_in_one_line(
    standin: StandIn, redis_server: RedisServer, command: list[str], variable: str, url: str
) -> None:
    with isolated_environment(
        redis_server.url(), standin, "responses", FLOWER_BASIC_AUTH=CREDENTIAL
    ):
        environment = os.environ | {variable: url}
        ended = run_command(sys.executable, "-m", *command, folder=BOTS, environment=environment)
    assert ended.returncode == 1
    said = ended.stdout + ended.stderr
    assert variable in said
    assert "Traceback" not in said
    assert "QZXJ" not in said
