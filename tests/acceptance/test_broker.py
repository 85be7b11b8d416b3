"""What is left in the broker, and in the log, of messages between real processes."""

from __future__ import annotations

import psutil
import pytest
import redis
from celery import Celery
from tests.support.processes.worker import Workers
from tests.support.provider_requests import is_speaking
from tests.support.waiting import wait_until

from threadmill import Assistant
from threadmill.testing import Pause, Reply, StandIn, Text
from threadmill_shared.broker.app import make_app
from threadmill_shared.broker.declarations import declared
from threadmill_shared.broker.queues import EXECUTE, Queues
from threadmill_shared.settings import load_settings

MARK = "zebra-7f3a-said-by-a-user"
RUN = "run_3f" + "0123456789" * 3
NUMBERS = [f"{number} " for number in range(20)]

pytestmark = pytest.mark.parametrize("api", ["chat"], indirect=True)


@pytest.fixture
def service(workers: Workers) -> Celery:
    """Another service, which sends to the door."""
    return make_app(load_settings())


@pytest.fixture
def broker(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url, decode_responses=True)


def test_a_misspelt_task_leaves_no_text_in_the_workers_log(
    workers: Workers, service: Celery
) -> None:
    workers.start("bot")
    door = Queues(load_settings().namespace).door

    service.send_task("threadmill.says", kwargs={"message": MARK}, queue=door)

    wait_until(lambda: "threadmill.says" in workers.logs(), "the worker says what it refused")
    assert MARK not in workers.logs()


def test_a_worker_that_came_and_went_leaves_no_queue_and_no_binding(
    workers: Workers, standin: StandIn, service: Celery, broker: redis.Redis
) -> None:
    pause = Pause(after_tokens=10)
    standin.brain = lambda _: Reply([Text(NUMBERS)], delay=0.02, pause=pause)
    [worker] = workers.start("bot", THREADMILL_DRAIN_SECONDS="20")
    Assistant(name="plain").enqueue("Count.")
    standin.wait_until(is_speaking)
    nonce = _nonce(broker)
    process = psutil.Process(worker.pid)
    process.suspend()
    for _ in range(5):
        queue = declared(Queues(load_settings().namespace).own(nonce))
        service.send_task(EXECUTE, args=[RUN], queue=queue)
    worker.terminate()
    process.resume()
    wait_until(lambda: "told to stop" in worker.log(), "the worker drains")
    pause.end()
    assert worker.ends()

    assert {key for key in broker.scan_iter("*") if nonce in key} == set()
    # Those of Celery's own events and remote control are the same for all workers.
    bindings = set(broker.scan_iter("_kombu.binding*"))
    assert {key for key in bindings if load_settings().namespace in key} == set()


def _nonce(broker: redis.Redis) -> str:
    """Of the one worker that listens for cancels."""
    [bell] = broker.pubsub_channels(f"{load_settings().namespace}:bell:*")
    return str(bell).rpartition(":")[2]
