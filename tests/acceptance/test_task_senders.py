"""Tasks reach their worker whoever has sent them, and runs whose task nobody has sent, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from tests.support.environment import isolated_environment
from tests.support.processes.script import Script
from tests.support.processes.worker import Workers
from tests.support.servers.redis_server import RedisServer

from threadmill import Assistant, Run, Thread
from threadmill.client.current import close_client
from threadmill.testing import StandIn
from threadmill_shared.broker.sender import Sender
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.settings import load_settings

pytestmark = [pytest.mark.any_api, pytest.mark.parametrize("api", ["chat"], indirect=True)]

DIES = """
    import os
    from threadmill import Assistant
    from threadmill.client.client import Client
    from threadmill_shared.broker.sender import Sender

    def die(*_):
        os._exit(0)

    Sender.task_of = lambda *_: b""  # as with any other broker
    Sender.send = die
    Assistant(name="plain").enqueue("Hello!", idempotency_key="monday")
"""


@pytest.fixture(params=["the store's Redis", "another database"])
def environment(
    request: pytest.FixtureRequest,
    redis_server: RedisServer,
    redis_url: str,
    standin: StandIn,
    api: str,
) -> Iterator[str | None]:
    """The broker's URL, if it is set."""
    broker = redis_server.fresh_database() if request.param == "another database" else None
    named = {"THREADMILL_BROKER_URL": broker} if broker else {}
    with isolated_environment(redis_url, standin, api, **named):
        yield broker


def test_a_queue_takes_tasks_of_both_kinds_of_senders(
    environment: str | None, redis_url: str, workers: Workers
) -> None:
    ai = Assistant(name="plain")
    runs = [ai.enqueue("Hello!"), *ai.enqueue_many(["Hello!"] * 3)]
    celery = Sender(load_settings())  # without the store's pipeline, as earlier releases sent
    for run in runs:
        celery.send(Dispatch(run.id, load_settings().namespace))
    celery.close()
    close_client()  # what was to be sent is sent

    queue = load_settings().namespace
    with redis.Redis.from_url(environment or redis_url) as broker:
        assert broker.llen(queue) == 2 * len(runs)
    if environment:
        with redis.Redis.from_url(redis_url) as store:
            assert not store.exists(queue)
    workers.start("bot")
    assert [Run.load(run.id).wait(30).status for run in runs] == ["completed"] * 4
    assert [Run.load(run.id).attempt for run in runs] == [1] * 4


def test_a_run_whose_producer_died_before_it_sent_the_task_is_executed(workers: Workers) -> None:
    workers.start("bot")
    script = Script.of_source(DIES)
    script.finish()
    run = Assistant(name="plain").enqueue("Hello!", idempotency_key="monday")
    assert run.wait(30).status == "completed"
    assert [one.id for one in Thread(run.thread_id).runs()] == [run.id]
