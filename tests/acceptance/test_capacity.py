"""Workers whose slots are full, and queues that are long: what waits, waits in the broker."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
import redis
from tests.support.processes.worker import Worker, Workers
from tests.support.waiting import wait_until

from threadmill import Assistant, Run
from threadmill_shared.store.keys import Keys

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

QUEUE = "threadmill"
LONG = "tokens=1000 delay=0.05"
"""What is not over before the test is."""
BRIEF = "tokens=10 delay=0.02"
TAKEN_SECONDS = 0.2
"""From the end of a run to the claim of the next, on a worker that was full; the median."""


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def begin(text: str, count: int) -> list[Run]:
    return [Assistant(name="plain").enqueue(text) for _ in range(count)]


def taken_by(worker: Worker, runs: list[Run]) -> int:
    """How many of these runs this worker has claimed."""
    return sum(run.refresh().worker == worker.name for run in runs)


def messages(broker: redis.Redis) -> list[str]:
    """What lies in the queue."""
    found: list[str] = broker.lrange(QUEUE, 0, -1)
    return found


def test_what_a_full_worker_cannot_begin_stays_in_the_broker_for_an_idle_one(
    workers: Workers, broker: redis.Redis
) -> None:
    [full] = workers.start("bot", THREADMILL_CONCURRENCY="2")
    busy = begin(LONG, 2)
    wait_until(lambda: taken_by(full, busy) == 2, "the worker is full")
    left = begin(LONG, 2)
    wait_until(lambda: len(messages(broker)) == 2, "they are sent")
    time.sleep(0.5)
    assert len(messages(broker)) == 2
    assert not broker.exists("unacked")

    [idle] = workers.start("bot", THREADMILL_CONCURRENCY="2")
    wait_until(lambda: taken_by(idle, left) == 2, "the idle worker has taken them")


@pytest.mark.quiet
def test_a_full_worker_takes_the_next_message_as_soon_as_a_slot_is_free(
    workers: Workers,
) -> None:
    """By itself, Celery would look once a second."""
    workers.start("bot", THREADMILL_CONCURRENCY="1")
    runs = begin(LONG, 10)
    seconds = []
    for run, following in pairwise(runs):
        wait_until(lambda run=run: run.refresh().worker, "it is executed")
        run.cancel().wait(5)
        begun = time.monotonic()
        wait_until(lambda following=following: following.refresh().worker, "the next is taken")
        seconds.append(time.monotonic() - begun)
    assert statistics.median(seconds) <= TAKEN_SECONDS


def test_of_a_long_queue_only_what_was_lost_is_sent_again(
    workers: Workers, broker: redis.Redis, redis_url: str
) -> None:
    """Whatever waits for more than 2 s has its queue probed, and the probe waits with it."""
    runs = begin(BRIEF, 24)
    wait_until(lambda: len(messages(broker)) == 24, "they are sent")
    [lost] = [message for message in messages(broker) if runs[12].id in message]
    broker.lrem(QUEUE, 1, lost)

    [worker] = workers.start("bot", THREADMILL_CONCURRENCY="1")

    assert {run.wait(30).status for run in runs} == {"completed"}
    assert {run.attempt for run in runs} == {1}
    resent = [line for line in worker.log().splitlines() if "resent to queue" in line]
    assert len(resent) == 1
    assert runs[12].id in resent[0]
    wait_until(lambda: not broker.exists(Keys(QUEUE).probe(QUEUE)), "the probe is over", 15)
