"""Work that never ends: a loop, a thread, a silent provider; and workers that end meanwhile."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path

import pytest
from tests.support.environment import stretched
from tests.support.processes.worker import Worker, Workers
from tests.support.waiting import wait_until

from threadmill import Assistant, Run
from threadmill.testing import Pause, Reply, StandIn, Text
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store
from threadmill_workers.service import TOOL_SECONDS

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes"
    path.touch()
    return path


def begin(text: str, notes: Path) -> Run:
    return Assistant.load("dangerous").enqueue(text, context={"notes": str(notes)})


def holder(workers: list[Worker], run: Run) -> Worker:
    wait_until(lambda: run.refresh().worker, "the run has a worker")
    [found] = [worker for worker in workers if worker.name == run.worker]
    return found


def test_a_worker_whose_loop_does_not_answer_ends_and_its_runs_go_on(
    workers: Workers, notes: Path
) -> None:
    both = workers.start("dangerous", 2, LEASE="hasty")
    run = begin('call block {"seconds": 3600}', notes)
    stuck = holder(both, run)
    run.wait(20)
    assert (run.status, run.attempt) == ("completed", 2)
    wait_until(stuck.has_ended, "it has ended")
    *_, told = re.split(r"\n(?=\S)", stuck.log().strip())
    line, *stack = told.splitlines()
    assert " CRITICAL threadmill.worker: the event loop has not answered for 2 heartbeats: " in line
    assert re.search(
        rf": tool block blocks it in call call_\w+ of {run.id}; this worker exits", line
    )
    assert f"thread={run.thread_id} assistant=dangerous attempt=1 worker={stuck.name}" in line
    assert "time.sleep(seconds)" in stack[-1]
    assert "dangerous.py" in stack[1]
    assert not [row for row in stack if "threadmill_" in row]


def test_a_tool_that_blocks_the_loop_for_a_while_is_named(workers: Workers, notes: Path) -> None:
    [worker] = workers.start("dangerous")
    run = begin('call block {"seconds": 8}', notes)
    assert run.wait(30).status == "completed"
    [late] = [line for line in worker.log().splitlines() if "does not answer" in line]
    assert " WARNING threadmill.worker: the event loop does not answer, " in late
    assert f": tool block blocks it in call call_{run.id[4:]}_1_0 of {run.id}; make " in late
    wait_until(lambda: "the event loop answers again, after " in worker.log(), "its return is told")


def test_a_stream_is_closed_whose_run_was_taken_while_the_provider_was_silent(
    workers: Workers, standin: StandIn, redis_url: str
) -> None:
    """No write tells its worker, but a comparison does."""
    workers.start("dangerous", COMPARISON="hasty")
    standin.brain = lambda _: Reply([Text(["Once", "upon"])], delay=60)
    run = Assistant(name="plain").enqueue("Tell me a tale.")
    standin.wait_until(lambda requests: bool(requests and requests[0].token_times))
    asyncio.run(take(redis_url, run.id))
    standin.wait_until(lambda requests: requests[0].closed_early, 2)
    assert run.cancel().wait(10).status == "cancelled"


async def take(url: str, run_id: str) -> None:
    """Take a run from whoever executes it, as a sweep that found its worker dead."""
    store = Store(connect(url), "threadmill")
    record = await store.runs.record(run_id)
    assert record is not None
    assert (await store.runs.reclaim(record)).outcome == "ok"
    await store.close()


def test_a_thread_that_never_ends_keeps_no_worker_from_ending(
    workers: Workers, notes: Path
) -> None:
    [worker] = workers.start("dangerous", THREADMILL_DRAIN_SECONDS="0")
    run = begin('call dawdle {"seconds": 3600}', notes)
    wait_until(lambda: "begin:dawdle" in notes.read_text(), "the tool is called")
    worker.terminate()
    begun = time.monotonic()
    wait_until(worker.has_ended, "the worker has ended")
    assert TOOL_SECONDS <= time.monotonic() - begun <= TOOL_SECONDS + stretched(3)
    assert run.refresh().status == "queued"  # given back, not found dead

    workers.start("dangerous")
    run.wait(20)
    assert (run.status, run.attempt) == ("completed", 2)
    outputs = [call.output for step in run.steps for call in step.tool_calls if call.output]
    assert ["not known" in output for output in outputs] == [True]


def test_what_comes_while_a_worker_drains_is_executed_by_another_one_at_once(
    workers: Workers, notes: Path, standin: StandIn
) -> None:
    pause = Pause(after_tokens=10)
    tale = Reply([Text([f"{number} " for number in range(20)])], pause=pause)
    standin.brain = lambda request: tale if request.last_user_text == "Long" else "Hello."
    [draining] = workers.start("dangerous", THREADMILL_DRAIN_SECONDS="60")
    long = begin("Long", notes)
    wait_until(lambda: long.refresh().worker, "the run has a worker")
    os.kill(draining.pid, 15)
    late = [begin("Hello!", notes) for _ in range(10)]
    [other] = workers.start("dangerous")
    late += [begin("Hello!", notes) for _ in range(10)]
    assert {run.wait(10).status for run in late} == {"completed"}
    assert other.name in {run.worker for run in late}
    assert not draining.has_ended()
    pause.end()
    assert (long.wait(20).status, long.attempt) == ("completed", 1)
