"""Many threads at once: one run of a thread at a time, in order, and none waits for another's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery import Celery
from tests.support.processes.worker import Workers
from tests.support.provider_requests import by_thread, overlaps, said_to, thread_of
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.testing import Reply, Request, StandIn, Text

pytestmark = pytest.mark.any_api

HOT = 20
COLD_THREADS = 30
COLD_SAYS = 3
HOT_SECONDS = 0.25


def echo(request: Request) -> Reply:
    return Reply([Text(answer_to(request.last_user_text))], first_delay=0.02)


def answer_to(text: str) -> str:
    return f"heard {text}"


async def enqueue_in_order(name: str, says: int) -> list[Run]:
    """Say this many things on a thread of this name, one enqueue after the other."""
    assistant, thread = await Assistant.load_async("plain"), Thread(key=name)
    return [await assistant.enqueue_async(f"{name} {n}", thread) for n in range(says)]


async def enqueue_cold(says: int = COLD_SAYS) -> list[Run]:
    names = [f"cold-{number}" for number in range(COLD_THREADS)]
    enqueued = await asyncio.gather(*(enqueue_in_order(name, says) for name in names))
    return [run for runs in enqueued for run in runs]


async def completed(runs: Iterable[Run]) -> None:
    ended = await asyncio.gather(*(run.wait_async(30) for run in runs))
    assert [(run.status, run.attempt) for run in ended] == [("completed", 1)] * len(ended)


def conversation(name: str, says: int) -> list[str]:
    asked = [f"{name} {number}" for number in range(says)]
    return [text for ask in asked for text in (ask, answer_to(ask))]


async def assert_in_order(standin: StandIn, name: str, says: int) -> None:
    """Each run's message is followed by its answer, and each run was sent all before it."""
    whole = conversation(name, says)
    messages = await Thread(key=name).get_messages_async(limit=100)
    assert [message.text for message in messages] == whole
    requests = by_thread(standin.requests)[name]
    assert [said_to(r) for r in requests] == [whole[: 2 * n + 1] for n in range(says)]


async def test_each_thread_executes_its_runs_one_by_one_in_the_order_they_were_enqueued(
    workers: Workers, standin: StandIn
) -> None:
    standin.brain = echo
    started = workers.start("bot", 2)
    hot, cold = await asyncio.gather(enqueue_in_order("hot", HOT), enqueue_cold())
    await completed([*hot, *cold])

    assert len(standin.requests) == HOT + COLD_THREADS * COLD_SAYS
    assert overlaps(standin.requests) == []
    await assert_in_order(standin, "hot", HOT)
    for number in range(COLD_THREADS):
        await assert_in_order(standin, f"cold-{number}", COLD_SAYS)
    assert {run.worker for run in [*hot, *cold]} == {worker.name for worker in started}


@pytest.mark.quiet
async def test_a_hot_thread_does_not_slow_the_others(
    workers: Workers, standin: StandIn, report: Callable[[str], None], api: str
) -> None:
    standin.brain = slow_when_hot
    workers.start("bot", 2, THREADMILL_CONCURRENCY="4")
    await seconds_of_cold()  # connections and caches
    alone = await seconds_of_cold()
    hot = await enqueue_in_order("hot", HOT)
    beside_hot = await seconds_of_cold()
    assert (await hot[-1].refresh_async()).status == "queued"
    for run in reversed(hot):
        await run.cancel_async()

    # Were hot runs that wait in the workers' eight slots, twelve of them would have to end first.
    assert beside_hot < alone + 12 * HOT_SECONDS / 2
    report(f"30 threads, {api}\nalone {alone:.2f} s, beside a hot one {beside_hot:.2f} s")


async def seconds_of_cold() -> float:
    begun = time.monotonic()
    await completed(await enqueue_cold(says=1))
    return time.monotonic() - begun


async def slow_when_hot(request: Request) -> Reply:
    if thread_of(request.last_user_text) == "hot":
        await asyncio.sleep(HOT_SECONDS)
    return echo(request)


# ---- the same message again --------------------------------------------------------------------


@pytest.fixture
def celery(redis_url: str) -> Iterator[Celery]:
    with Celery("another", broker=redis_url) as app:
        yield app


def deliver(celery: Celery, run: Run, times: int) -> None:
    """Put the same Celery message into the queue, this many times at once."""

    def send(_: int) -> None:
        celery.send_task("threadmill.execute", [run.id], queue="threadmill", task_id="the-same")

    with ThreadPoolExecutor(times) as threads:
        list(threads.map(send, range(times)))


def is_consumed(celery: Celery) -> bool:
    with celery.connection_for_read() as connection:
        return not connection.default_channel.client.llen("threadmill")


def test_a_message_delivered_five_times_executes_its_run_once(
    workers: Workers, standin: StandIn, celery: Celery
) -> None:
    standin.brain = echo
    thread = Thread(key="room")
    once = Assistant(name="plain").enqueue("room once", thread)
    deliver(celery, once, times=5)
    workers.start("bot", 2)  # both find a message of the run at once
    once.wait(10)
    wait_until(lambda: is_consumed(celery), "all messages of a run that ended are taken")
    deliver(celery, once, times=5)
    Assistant(name="plain").enqueue("room next", thread).wait(10)
    wait_until(lambda: is_consumed(celery), "all messages are taken")

    assert [request.user_text for request in standin.requests] == ["room once", "room next"]
    assert (once.refresh().status, once.attempt) == ("completed", 1)
    statuses = [event.event for event in once.events()]
    assert statuses.count("thread.run.in_progress") == 1
