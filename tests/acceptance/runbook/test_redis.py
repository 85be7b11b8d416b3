"""Incidents of a single Redis server."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support.processes.script import Script
from tests.support.processes.worker import Workers
from tests.support.runbook import Operator
from tests.support.servers.certificates import Authority, needs_openssl
from tests.support.servers.clients import sync_client
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.snapshot import Snapshot
from tests.support.servers.tls import TlsRedis
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread, errors
from threadmill.client.current import close_client
from threadmill.embedded.server import FOLDER, end_server
from threadmill.embedded.supervisor import LOOK_SECONDS
from threadmill.testing import Pause, Reply, StandIn, Text

IGNORING_LIMITS = 'trap "" XFSZ; exec "$0" "$@"'
"""A program whose file has the size that is allowed gets an error, as on a full disk."""
CHANGED = ("maxmemory", "maxmemory-policy", "appendonly", "save", "requirepass")
SHIFTED = "import time\n_time = time.time\ntime.time = lambda: _time() + 30\n"
"""What a process imports first on a machine whose clock is ahead by half a minute."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    wrapper = ("sh", "-c", IGNORING_LIMITS)
    folder = tmp_path_factory.mktemp("redis")
    with RedisServer(folder, appendonly=True, wrapper=wrapper) as server:
        yield server


@pytest.fixture
def redis_url(server: RedisServer) -> str:
    return server.fresh_database()


@pytest.fixture
def client(server: RedisServer) -> Iterator[Any]:
    """A connection of the test's own."""
    with server.connected() as client:
        usual = {name: client.config_get(name)[name] for name in CHANGED}
        yield client
        for name, value in usual.items():
            client.config_set(name, value)


def completes() -> bool:
    return Assistant(name="plain").enqueue("Hello!").wait(30).status == "completed"


def begin_tale(standin: StandIn) -> tuple[Run, Pause]:
    """A run in the middle of its message.

    The rest takes a second, so that it is not written with the run's end, which a full store takes.
    """
    pause = Pause(after_tokens=10)
    tale = Text([f"{at} " for at in range(30)])
    standin.brain = lambda _: Reply([tale], delay=0.05, pause=pause)
    run = Assistant(name="plain").enqueue("Count.")
    standin.wait_until(lambda requests: bool(requests and len(requests[-1].token_times) > 5))
    return run, pause


def test_redis_rejects_the_password(
    operator: Operator, server: RedisServer, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.config_set("requirepass", "right-one")
    wrong = server.url().replace("://", "://:wrong-one@")
    monkeypatch.setenv("THREADMILL_REDIS_URL", wrong)
    operator.look(MODULE="bot")
    operator.cure(PASSWORD="right-one", HOST="127.0.0.1", PORT=str(server.port), MODULE="bot")
    monkeypatch.setenv("THREADMILL_REDIS_URL", wrong.replace("wrong-one", "right-one"))
    close_client()
    assert completes()


def test_redis_cannot_be_reached(
    operator: Operator, server: RedisServer, workers: Workers, standin: StandIn
) -> None:
    [worker] = workers.start("bot")
    run, pause = begin_tale(standin)
    server.kill()
    operator.look(log=worker.log)
    operator.instead("systemctl start redis-server", server.start)
    operator.cure()
    pause.end()
    assert (run.wait(30).status, run.attempt) == ("completed", 1)
    wait_until(lambda: "can be used again" in worker.log(), "its end is told")


def test_redis_is_full(operator: Operator, client: Any, workers: Workers, standin: StandIn) -> None:
    [worker] = workers.start("bot")
    run, pause = begin_tale(standin)
    client.config_set("maxmemory", 1)
    pause.end()
    with pytest.raises(errors.StoreFull):
        Assistant(name="plain").enqueue("Is there room?")
    operator.look(log=worker.log, RUN_ID=run.id)
    operator.cure()
    assert (run.wait(30).status, run.attempt) == ("completed", 1)
    assert completes()
    assert "kombu" not in worker.log()
    assert " ERROR " not in worker.log()


def test_the_disk_of_redis_is_full(
    operator: Operator, server: RedisServer, client: Any, workers: Workers, standin: StandIn
) -> None:
    [worker] = workers.start("bot")
    disk = server.pid, resource.RLIMIT_FSIZE
    client.config_set("save", "900 1")
    resource.prlimit(*disk, (4096, resource.RLIM_INFINITY))
    try:
        client.set("ballast", os.urandom(100_000))
        client.bgsave()  # without its cure, Redis would not try again for a long time
        wait_until(partial(_persistence_is, client, "err"), "the writes have failed")
        with pytest.raises(errors.StoreUnavailable):
            Assistant(name="plain").enqueue("Is there room?")
        operator.look(log=worker.log)
    finally:
        resource.prlimit(*disk, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    operator.cure()
    wait_until(partial(_persistence_is, client, "ok"), "the writes have succeeded")
    assert completes()
    assert " ERROR " not in worker.log()


def _persistence_is(client: Any, value: str) -> bool:
    info = client.info("persistence")
    return bool(info["aof_last_write_status"] == info["rdb_last_bgsave_status"] == value)


def test_redis_evicts_keys(operator: Operator, client: Any) -> None:
    client.config_set("maxmemory-policy", "allkeys-lru")
    operator.look(MODULE="bot")
    operator.cure(MODULE="bot")
    assert completes()


def test_redis_does_not_keep_its_data(
    operator: Operator, server: RedisServer, client: Any, workers: Workers
) -> None:
    client.config_set("appendonly", "no")
    client.config_set("save", "")
    workers.start("bot")
    run = Assistant(name="plain").enqueue("Hello!").wait(20)
    operator.look()
    operator.cure()
    wait_until(lambda: not client.info("persistence")["aof_rewrite_in_progress"], "it is written")
    server.stop()
    server.start()
    assert Run.load(run.id).status == "completed"
    assert completes()


def test_a_clock_is_wrong(
    operator: Operator, workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SHIFTED)
    right = os.environ["PYTHONPATH"]
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{right}")
    [worker] = workers.start("bot")
    operator.look(log=worker.log)
    operator.instead("timedatectl set-ntp true", lambda: monkeypatch.setenv("PYTHONPATH", right))
    operator.cure()
    worker.terminate()
    assert worker.ends()
    [worker] = workers.start("bot")
    assert completes()
    assert "clock" not in worker.log()
    operator.see("threadmill doctor", "ok … workers.clock …")


def test_redis_has_lost_its_data(
    operator: Operator, workers: Workers, redis_url: str, standin: StandIn
) -> None:
    [worker] = workers.start("bot")
    kept = Assistant.load("plain").enqueue("Before the backup.").wait(30)
    backup = Snapshot(redis_url, "threadmill")
    later = Assistant.load("plain").enqueue("After it.").wait(30)
    lost, pause = begin_tale(standin)
    next(event for event in lost.events() if event.event == "thread.message.delta")
    with contextlib.closing(sync_client(redis_url)) as client:
        client.flushdb()
    wait_until(lambda: f"Redis does not know {lost.id}" in worker.log(), "its run is named", 30)
    operator.look(log=worker.log, RUN_ID=kept.id)
    assert "another worker has taken over" not in worker.log()
    pause.end()
    standin.brain = lambda _: "Here I am."
    wait_until(lambda: [one.name for one in Assistant.list()], "its assistants are published again")
    assert Assistant.load("plain").enqueue("Meanwhile.").wait(30).status == "completed"

    def stop_and_restore() -> None:
        worker.terminate()
        assert worker.ends()
        backup.restore()

    operator.instead("kill PID", stop_and_restore)
    operator.cure(MODULE="bot")
    assert Run.load(kept.id).status == "completed"
    with pytest.raises(errors.RunNotFound):
        Run.load(later.id)
    ai = Assistant.load("plain")
    assert ai.enqueue("Hello!", thread=Thread(kept.thread_id)).wait(30).status == "completed"


def test_redis_answers_slowly(operator: Operator, client: Any, workers: Workers) -> None:
    workers.start("bot")
    client.eval("local at = 0; while at < 5000000 do at = at + 1 end", 0)
    operator.look()
    operator.cure()
    assert client.slowlog_len() == 0
    assert completes()


@needs_openssl
def test_the_certificate_of_a_server_is_wrong(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path / "ca")
    with TlsRedis(tmp_path, authority, authority.sign("server", "IP:127.0.0.1")) as server:
        monkeypatch.setenv("THREADMILL_REDIS_URL", server.url())
        operator.look(MODULE="bot")
        right = {"HOST": "127.0.0.1", "PORT": str(server.port), "CA_FILE": str(authority.file)}
        operator.cure(MODULE="bot", **right)
        url = f"{server.url()}?ssl_ca_certs={authority.file}"
        monkeypatch.setenv("THREADMILL_REDIS_URL", url)
        close_client()
        assert completes()
        operator.started[0].terminate()
        assert operator.started[0].ends()
    close_client()


def test_the_embedded_server_was_killed(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.folder = tmp_path
    monkeypatch.delenv("THREADMILL_REDIS_URL")
    script = Script.of_file("who", "ada", folder=tmp_path, environment=os.environ)
    assert script.line() == "ready"
    [server] = [one for one in psutil.Process(script.pid).children(True) if is_server(one)]
    has_run = partial(_is_older, server, 2 * LOOK_SECONDS)
    wait_until(has_run, "it has run for a while: else it is not started again")
    server.kill()
    operator.look()
    operator.cure()
    script.write()
    assert "who answered: ada" in script.line()
    script.write()
    script.finish()
    end_server(tmp_path / FOLDER)


def _is_older(process: psutil.Process, seconds: float) -> bool:
    return time.time() - process.create_time() > seconds


def is_server(process: psutil.Process) -> bool:
    return "server" in process.name()
