"""Incidents of workers and their queues."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.processes.commands import run_threadmill
from tests.support.processes.worker import Workers
from tests.support.provider_requests import is_speaking
from tests.support.runbook import Operator
from tests.support.store.registered_workers import register
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.testing import Pause, Reply, StandIn, Text, converse
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store

Begin = Callable[..., Run]
REMEMBER = 'call remember {"word": "tea"}'
DAWDLE = 'call dawdle {"seconds": 3600}'


def completes(name: str = "plain") -> bool:
    return Assistant.load(name).enqueue("Hello!").wait(30).status == "completed"


def begin_tale(standin: StandIn, thread: Thread | None = None) -> tuple[Run, Pause]:
    """A run in the middle of its message; what is asked later is answered at once."""
    pause = Pause(after_tokens=10)
    tale = Reply([Text([f"{at} " for at in range(30)])], pause=pause)
    standin.brain = lambda request: tale if request.last_user_text == "Long" else converse(request)
    run = Assistant.load("plain").enqueue("Long", thread=thread)
    standin.wait_until(is_speaking)
    return run, pause


def test_no_worker_is_alive(operator: Operator) -> None:
    run = Assistant(name="plain").enqueue("Hello!")
    operator.look(RUN_ID=run.id)
    operator.cure(MODULE="bot")
    assert run.wait(30).status == "completed"


def test_a_worker_does_not_start(operator: Operator) -> None:
    operator.look(MODULE="no_such_module")
    operator.cure(MODULE="bot")
    assert completes()


def test_a_worker_was_killed(operator: Operator, workers: Workers, standin: StandIn) -> None:
    [killed] = workers.start("bot")
    run, pause = begin_tale(standin)
    [other] = workers.start("bot")
    killed.kill()
    operator.look(log=other.log, RUN_ID=run.id, WORKER=killed.name)
    pause.end()
    operator.cure(MODULE="bot")
    assert run.wait(30).status == "completed"
    other.terminate()
    assert other.ends()
    assert completes()


def test_a_worker_is_frozen_and_holds_a_thread(
    operator: Operator, workers: Workers, standin: StandIn
) -> None:
    [frozen] = workers.start("bot")
    thread = Thread()
    run, pause = begin_tale(standin, thread)
    behind = Assistant.load("plain").enqueue("Hello!", thread=thread)
    frozen.freeze()
    try:
        operator.look(RUN_ID=behind.id, WORKER=frozen.name)
        pause.end()
        operator.cure(MODULE="bot")
        assert run.wait(30).status == "completed"
        assert behind.wait(30).status == "completed"
    finally:
        frozen.thaw()
    wait_until(lambda: "this worker was declared dead" in frozen.log(), "it is told")


def test_a_workers_event_loop_is_blocked(
    operator: Operator, workers: Workers, begin: Begin
) -> None:
    [blocked] = workers.start("dangerous")
    run = begin('call block {"seconds": 3600}')
    operator.look(log=blocked.log, RUN_ID=run.id, WORKER=blocked.name)
    operator.cure(PID=str(blocked.pid), MODULE="dangerous")
    assert run.wait(30).status == "completed"


def test_a_run_ends_its_workers(operator: Operator, workers: Workers, begin: Begin) -> None:
    started = workers.start("dangerous", 4)
    run = begin("call die_again {}")
    run.wait(60)
    operator.look(log=workers.logs, RUN_ID=run.id)
    [survivor] = [worker for worker in started if not worker.has_ended()]
    survivor.terminate()
    assert survivor.ends()
    operator.cure(MODULE="dangerous")
    assert begin(REMEMBER, thread=Thread(run.thread_id)).wait(30).status == "completed"


def test_a_queue_is_not_consumed(operator: Operator, workers: Workers) -> None:
    workers.start("bot")
    run = Assistant(name="painter", queue="gpu").enqueue("Hello!")
    operator.look(RUN_ID=run.id)
    operator.cure(MODULE="bot")
    assert run.wait(30).status == "completed"


def test_no_worker_has_the_assistants_module(
    operator: Operator, workers: Workers, begin: Begin
) -> None:
    [former] = workers.start("dangerous")
    former.terminate()
    assert former.ends()
    [impatient] = workers.start("bot", THREADMILL_WORKER_WAIT_SECONDS="1")
    failed = begin(REMEMBER).wait(30)
    impatient.terminate()
    assert impatient.ends()
    workers.start("bot")
    run = begin(REMEMBER)
    operator.look(log=workers.logs, RUN_ID=run.id, FAILED_RUN_ID=failed.id)
    operator.cure(MODULE="dangerous")
    assert run.wait(30).status == "completed"


def test_all_slots_are_taken(
    operator: Operator, workers: Workers, begin: Begin, notes: Path
) -> None:
    workers.start("dangerous", THREADMILL_CONCURRENCY="1")
    first = begin(DAWDLE)
    wait_until(lambda: "begin:dawdle" in notes.read_text(), "the slot is taken", 20)
    second = begin(REMEMBER)
    operator.look(RUN_ID=second.id)
    operator.cure(MODULE="dangerous")
    assert second.wait(30).status == "completed"
    first.cancel()


def test_workers_are_of_different_releases(
    operator: Operator, workers: Workers, redis_url: str
) -> None:
    workers.start("bot")
    with earlier_release(redis_url) as old:
        operator.look(WORKER="old:9")
        operator.cure(PID=str(old.pid), MODULE="bot")
        old.wait()
    operator.see("threadmill doctor", "ok … workers.version …")
    assert completes()


def test_lists_are_incomplete(operator: Operator, workers: Workers, redis_url: str) -> None:
    workers.start("bot")
    run = Assistant.load("plain").enqueue("Hello!").wait(30)
    with earlier_release(redis_url) as old:
        operator.look()
        operator.cure(PID=str(old.pid))
        old.wait()
    wait_until(lambda: run.id in complete_list(), "lists are complete", 60)
    assert completes()


def complete_list() -> str:
    """What `threadmill runs` prints if it does not say that entries may be missing."""
    done = run_threadmill("runs")
    return "" if done.stderr else done.stdout


@contextmanager
def earlier_release(url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for a worker of an earlier release: it says nothing of itself."""
    with subprocess.Popen(["sleep", "600"]) as process:
        queues = ("threadmill",)
        old = WorkerInfo(
            "old:9:g", "old:9", 1_700_000_000, "threadmill.g", queues, keeps_indexes=False
        )
        in_store(url, lambda store: register(store, old))
        try:
            yield process
        finally:
            process.kill()
            in_store(url, lambda store: lose_lease(store, old))


async def lose_lease(store: Store, of: WorkerInfo) -> None:
    """What happens by itself some seconds after a worker has ended."""
    await store.session.runner.command("UNLINK", store.session.keys.lease(of.id))


def in_store(url: str, act: Callable[[Store], Coroutine[Any, Any, Any]]) -> None:
    async def do() -> None:
        store = Store(connect(url), "threadmill")
        await act(store)
        await store.close()

    asyncio.run(do())
