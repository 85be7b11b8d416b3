"""Functions that no worker has run in the process that waits for the run."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.acceptance.conftest import Lasting
from tests.acceptance.scripts import callers
from tests.support.processes.script import Script
from tests.support.processes.worker import Worker
from tests.support.waiting import wait_until

from threadmill import ENDRUN_TOKEN, Assistant, EndRun, Run, Thread, current_call
from threadmill.client.current import close_client, current_client
from threadmill.client.operations import drive_async
from threadmill.runs import call_lease, local_calls
from threadmill.runs.local_calls import LocalCalls
from threadmill.testing import StandIn
from threadmill_shared.records.objects import ToolCall
from threadmill_shared.store.parked_runs import LEASE_SECONDS
from threadmill_shared.tools import as_tool

pytestmark = [
    pytest.mark.parametrize("api", ["responses"], indirect=True),
    pytest.mark.usefixtures("worker"),
]

CALLERS = "tests.acceptance.scripts.callers"


@pytest.fixture(scope="module")
def worker(lasting: Lasting) -> Worker:
    """It has loaded a module of its own, and never seen this one."""
    [worker] = lasting.workers.start("toolbox", THREADMILL_WORKER_WAIT_SECONDS="0")
    return worker


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


def where() -> str:
    """The process that executes this."""
    return str(os.getpid())


def made(run: Run) -> list[ToolCall]:
    return [call for step in run.steps for call in step.tool_calls]


def outputs(run: Run) -> list[str | None]:
    return [call.output for call in made(run)]


def is_parked(run: Run) -> bool:
    return run.refresh().status == "requires_action"


@contextmanager
def script(*arguments: str) -> Iterator[Script]:
    started = Script("-m", CALLERS, *arguments)
    try:
        yield started
    finally:
        started.kill()


def test_a_function_of_the_script_runs_in_the_process_that_says(worker: Worker) -> None:
    run = Assistant(tools=[where]).say("call where {}", event_handler_class=None, timeout=20)
    assert (run.status, outputs(run)) == ("completed", [str(os.getpid())])
    assert run.worker == worker.name
    assert [step.status for step in run.steps] == ["completed", "completed"]


def test_it_runs_too_while_somebody_waits_for_what_was_enqueued() -> None:
    run = Assistant(tools=[where]).enqueue("call where {}")
    wait_until(lambda: is_parked(run), "it parks")
    assert run.required_action is not None
    [call] = run.required_action.tool_calls
    assert (call.function.name, call.function.arguments) == ("where", "{}")
    assert call.waits_for == "output"
    assert run.wait(20).status == "completed"
    assert run.required_action is None


def test_it_prints_and_executes_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    Assistant("Ada", tools=[where]).say("call where {}", timeout=20)
    assert f"where({{}}) -> {os.getpid()}" in capsys.readouterr().out


async def test_an_async_function_runs_on_the_loop_that_awaits() -> None:
    loops = []

    async def remember() -> str:
        loops.append(asyncio.get_running_loop())
        return "remembered"

    ai = Assistant(tools=[remember])
    run = await ai.say_async("call remember {}", event_handler_class=None, timeout=20)
    assert outputs(run) == ["remembered"]
    assert loops == [asyncio.get_running_loop()]


def test_an_async_function_runs_for_a_caller_that_blocks_and_knows_its_call() -> None:
    async def ask() -> dict[str, object]:
        call = current_call()
        return {"run": call.run_id, "who": call.context["who"], "key": call.idempotency_key}

    run = Assistant(tools=[ask]).enqueue("call ask {}", context={"who": "ada"}).wait(20)
    [call] = made(run)
    assert json.loads(call.output or "") == {"run": run.id, "who": "ada", "key": call.id}


def test_calls_of_one_turn_run_side_by_side() -> None:
    barrier = threading.Barrier(2)

    def meet(name: str) -> str:
        barrier.wait(10)
        return name

    ai = Assistant(tools=[meet])
    run = ai.enqueue('call meet {"name": "a"} call meet {"name": "b"}').wait(20)
    assert outputs(run) == ["a", "b"]


def test_calls_of_one_turn_are_split_between_worker_and_caller(worker: Worker) -> None:
    show_int = next(t for t in Assistant.load("toolbox").tools if t.name == "show_int")
    ai = Assistant(tools=[where, show_int])
    run = ai.enqueue('call where {} call show_int {"value": "7"}').wait(20)
    assert outputs(run) == [str(os.getpid()), "int 7"]
    assert len(run.steps) == 2
    assert "threadmill.run.takeover" not in {event.event for event in run.events()}


def test_an_exception_is_told_to_the_model_and_the_run_goes_on() -> None:
    def fail() -> None:
        raise LookupError("nothing there")

    run = Assistant(tools=[fail]).enqueue("call fail {}").wait(20)
    [call] = made(run)
    assert (run.status, call.failed) == ("completed", True)
    assert call.output == "Error: LookupError: nothing there"


@pytest.mark.parametrize("way", ["raise", "return", "token"])
def test_end_run_ends_the_run_and_frees_the_thread(way: str) -> None:
    def stop() -> object:
        if way == "raise":
            raise EndRun({"won": 3})
        return EndRun({"won": 3}) if way == "return" else ENDRUN_TOKEN

    ai = Assistant(tools=[stop])
    run = ai.say("call stop {}", event_handler_class=None, timeout=20)
    assert (run.status, run.data) == ("cancelled", None if way == "token" else {"won": 3})
    assert ai.say("Hello!", event_handler_class=None, timeout=20).status == "completed"


def test_a_function_may_say_something_on_another_thread() -> None:
    def ask() -> str:
        other = Assistant().say("tokens=2", thread=Thread(), event_handler_class=None)
        return other.text

    run = Assistant(tools=[ask]).enqueue("call ask {}").wait(20)
    assert outputs(run) == ["1 2 "]


def test_time_that_a_run_is_parked_does_not_count_against_its_deadline() -> None:
    run = Assistant(tools=[where]).enqueue("call where {}")
    wait_until(lambda: is_parked(run), "it parks")
    wait_until(lambda: time.time() > run.steps[0].created_at + 3, "three seconds pass")
    run.wait(20)
    before, after = [e.data for e in run.events() if e.event == "thread.run.in_progress"]
    assert after["expires_at"] - before["expires_at"] >= 2


def test_one_of_two_processes_that_wait_executes_a_call(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    arguments = json.dumps({"path": str(path), "seconds": 1})
    run = callers.ai.enqueue(f"call note {arguments} call note {arguments}")
    with script(run.id) as other:
        assert other.line() == run.id
        run.wait(20)
        assert other.line().startswith("completed")
    assert len(path.read_text().splitlines()) == 2
    assert sorted(filter(None, outputs(run))) == sorted(path.read_text().split())


def test_a_function_of_a_module_is_found_where_it_is_no_tool_of_anybody() -> None:
    spec = callers.note.spec.model_copy(update={"identity": "os:getcwd", "name": "note"})
    run = Assistant(tools=[spec]).enqueue('call note {"path": "x"}').wait(20)
    assert (run.status, run.last_error and run.last_error.name) == ("failed", "ToolNotFound")


def test_after_a_process_that_was_lost_another_goes_on_as_the_functions_author_wants(
    tmp_path: Path,
) -> None:
    def begun_and_lost(name: str) -> Run:
        path = tmp_path / name
        arguments = json.dumps({"path": str(path), "seconds": 60})
        with script(f"call {name} {arguments}") as process:
            run = Run.load(process.line())
            wait_until(lambda: path.exists() and path.read_text(), "the function is called")
        return run

    reported, repeated, failed = map(begun_and_lost, ("note", "note_again", "note_once"))
    for run in (reported, repeated, failed):
        run.wait(LEASE_SECONDS + 15)

    assert [r.status for r in (reported, repeated, failed)] == ["completed", "completed", "failed"]
    assert "Whether the call had an effect is not known" in (outputs(reported)[0] or "")
    assert outputs(repeated) == [str(os.getpid())]
    assert failed.last_error is not None
    assert failed.last_error.name == "ToolInterrupted"
    executions = {path.name: len(path.read_text().splitlines()) for path in tmp_path.iterdir()}
    assert executions == {"note": 1, "note_again": 2, "note_once": 1}


def test_who_has_lost_a_call_to_another_process_goes_on_when_that_one_is_lost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(call_lease, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(local_calls, "PATIENCE_SECONDS", 0.2)
    path = tmp_path / "notes"
    arguments = json.dumps({"path": str(path), "seconds": 60})
    run = callers.ai.enqueue(f"call note_again {arguments}")
    waiting = threading.Thread(target=run.wait, args=(30,))
    waiting.start()
    wait_until(path.exists, "the function is called")
    [call] = Run.load(run.id).required_action.tool_calls  # type: ignore[union-attr]

    lost = f"lost {int(time.time() * 1000) + 1000}"  # it has taken the call meanwhile
    with redis.Redis.from_url(os.environ["THREADMILL_REDIS_URL"]) as client:
        client.hset(current_client().store.session.keys.calls(run.id), f"@{call.id}", lost)

    waiting.join()
    assert outputs(run.refresh()) == [str(os.getpid())]
    assert len(path.read_text().splitlines()) == 2


def test_nobody_waits_and_the_run_expires_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_PARK_SECONDS", "0.5")
    close_client()
    run = Assistant(tools=[where]).enqueue("call where {}")
    wait_until(lambda: run.refresh().status == "expired", "it expires", 15)
    assert run.last_error is not None
    assert "Nobody submitted the output of where (call_" in run.last_error.message
    assert "run.wait()" in run.last_error.message
    thread = Thread(id=run.thread_id)
    assert Assistant().enqueue("Hello!", thread=thread).wait(20).status == "completed"


def test_threads_of_functions_end_with_the_wait() -> None:
    ai = Assistant(tools=[where])

    def tool_threads() -> int:
        return sum("threadmill-tool" in thread.name for thread in threading.enumerate())

    before = tool_threads()
    for _ in range(3):
        ai.say("call where {}", event_handler_class=None, timeout=20)
        ai.enqueue("call where {}").wait(20)
    wait_until(lambda: tool_threads() <= before, "the threads end", 5)


def test_a_call_is_executed_though_the_answer_that_it_is_taken_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parked = current_client().store.parked_runs
    lease = parked.lease_call

    async def leased_twice(*ids: str, **how: Any) -> tuple[str, str]:
        await lease(*ids, **how)  # what the runner of scripts does, too
        return await lease(*ids, **how)

    monkeypatch.setattr(parked, "lease_call", leased_twice)
    run = Assistant(tools=[where]).enqueue("call where {}").wait(20)
    assert outputs(run) == [str(os.getpid())]


def test_a_function_that_blocks_its_loop_is_not_taken_for_lost(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    seconds = LEASE_SECONDS + 3
    arguments = json.dumps({"path": str(path), "seconds": seconds})
    with script(f"call note_blocking {arguments}") as process:
        run = Run.load(process.line())
        wait_until(path.exists, "the function is called")
        run.wait(seconds + 15)
        assert outputs(run) == [str(process.pid)]


def test_who_looks_for_calls_when_its_loop_has_ended_leaves_nothing_behind() -> None:
    run = Assistant(tools=[where]).enqueue("Hello!")

    async def made_here() -> LocalCalls:
        return LocalCalls(current_client(), run.id, [as_tool(where)])

    local = asyncio.run(drive_async(made_here()))
    local.execute_parked()
    local.close()
    gc.collect()  # what was never awaited says so now
