"""Incidents of the broker and of the messages in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from tests.support.processes.worker import Workers
from tests.support.runbook import Operator
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant, Run
from threadmill.client.current import close_client
from threadmill.testing import StandIn

Begin = Callable[..., Run]


@pytest.fixture
def broker(
    environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RedisServer]:
    """A server that is only the broker."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with RedisServer(folder) as server:
        monkeypatch.setenv("THREADMILL_BROKER_URL", server.url())
        close_client()
        yield server


def test_the_broker_cannot_be_reached(
    broker: RedisServer, operator: Operator, workers: Workers
) -> None:
    [worker] = workers.start("bot")
    broker.kill()
    run = Assistant.load("plain").enqueue("Hello!")
    operator.look(log=worker.log)
    operator.instead("systemctl start redis-server", broker.start)
    operator.cure()
    assert run.wait(30).status == "completed"
    wait_until(lambda: "can be used again" in worker.log(), "the end is told")


def test_messages_were_lost(
    operator: Operator, workers: Workers, standin: StandIn, redis_url: str
) -> None:
    [former] = workers.start("bot")
    former.terminate()
    assert former.ends()
    run = Assistant.load("plain").enqueue("Hello!")
    with redis.Redis.from_url(redis_url) as client:
        wait_until(lambda: client.delete("threadmill"), "the message was there, and is lost")
    [worker] = workers.start("bot")
    operator.look(log=worker.log, RUN_ID=run.id)
    operator.cure()
    assert run.wait(30).status == "completed"
    assert len(standin.requests) == 1


def test_a_workers_consumer_is_stalled(operator: Operator, workers: Workers, begin: Begin) -> None:
    """Restarting it does not help: only the worker of the cure can take what waits."""
    [worker] = workers.start("dangerous", WATCHDOG="hasty", RESTART="useless")
    assert begin("call make_deaf {}").wait(30).status == "completed"
    waiting = begin("Can you hear me?")
    operator.look(log=worker.log, WORKER=worker.name)
    assert waiting.refresh().status == "queued"
    operator.cure(MODULE="dangerous")
    assert waiting.wait(30).status == "completed"
    assert waiting.worker == operator.started[0].name
    wait_until(lambda: worker.exit_code == 1, "it exits, so that it is replaced", 20)
