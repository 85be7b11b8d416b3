"""Runs that call a function while the only worker that has it is away."""

from __future__ import annotations

import importlib
import json
import time
from pathlib import Path

import pytest
from tests.support.paths import BOTS
from tests.support.processes.commands import run_threadmill
from tests.support.processes.worker import Worker, Workers
from tests.support.waiting import wait_until

from threadmill import Assistant, Run
from threadmill.client.current import close_client
from threadmill_shared.tools import ToolSpec, as_tool

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

WAITS = "waits for a worker that has the function of"
LOOK_UP = 'call look_up {"order": 7}'
REFUND = 'call refund {"order": 7}'
LEFT = "call left {}"
SHOW = 'call show_int {"value": 7}'
SHORT = {"THREADMILL_WORKER_WAIT_SECONDS": "1.5"}


def spec(module: str, name: str) -> ToolSpec:
    """A tool of a worker's module, without its function."""
    return as_tool(getattr(importlib.import_module(module), name)).spec


@pytest.fixture
def ai(monkeypatch: pytest.MonkeyPatch) -> Assistant:
    """It has tools of three modules, and is published by none of them."""
    monkeypatch.syspath_prepend(str(BOTS))
    names = [("careful", "look_up"), ("careful", "refund"), ("misuse", "left")]
    tools = [spec(*name) for name in [*names, ("toolbox", "show_int")]]
    return Assistant("absent", tools=tools)


@pytest.fixture
def here(workers: Workers) -> Worker:
    """The only worker: one without the modules `careful` and `misuse`."""
    [worker] = workers.start("toolbox")
    return worker


def outputs(run: Run) -> list[str]:
    made = [call.output for step in run.steps for call in step.tool_calls]
    return [output for output in made if output is not None]


def wait_begun(run: Run, worker: Worker) -> None:
    wait_until(lambda: f"{run.id} {WAITS}" in worker.log(), "it waits for a worker", 20)


def approve(run: Run) -> str:
    """Approve its call by the command; what that warns of."""
    wait_until(lambda: run.refresh().status == "requires_action", "it waits for an approval")
    done = run_threadmill("approve", run.id)
    assert "approved" in done.stdout
    return done.stderr


def error(run: Run) -> str:
    return str(run.wait(20).last_error)


def test_a_run_waits_while_the_only_worker_of_a_module_is_restarted(
    ai: Assistant, here: Worker, workers: Workers
) -> None:
    [former] = workers.start("careful")
    former.terminate()
    assert former.ends()
    run = ai.enqueue(LOOK_UP)
    wait_begun(run, here)
    assert run.refresh().status == "in_progress"
    assert f"{run.id} {WAITS} look_up (careful:look_up)" in here.log()
    assert "start one: threadmill worker careful. Without one, the run fails in 60 s" in here.log()

    shown = run_threadmill("show", run.id).stdout
    assert "function of its tool look_up: no live worker has careful:look_up." in shown
    assert "Start one with its module: threadmill worker careful;" in shown
    said = "1 in progress (1 waiting for a worker that has careful:look_up)"
    wait_until(lambda: said in run_threadmill("status").stdout, "the worker has written it", 20)

    [careful] = workers.start("careful")

    assert run.wait(20).status == "completed"
    assert outputs(run) == [f"7 looked up by {careful.pid}"]
    assert (run.attempt, run.worker) == (2, careful.name)
    assert f"{run.id} is handed over to worker {careful.name}" in here.log()
    assert here.log().count(WAITS) == 1


def test_a_call_that_was_approved_is_executed_when_its_worker_is_back(
    ai: Assistant, here: Worker, workers: Workers
) -> None:
    run = ai.enqueue(REFUND)
    assert "no live worker has careful:refund. Start one: threadmill worker careful." in (
        approve(run)
    )
    wait_begun(run, here)

    [careful] = workers.start("careful")

    assert run.wait(20).status == "completed"
    assert outputs(run) == [f"7 refunded by {careful.pid}"]


def test_a_run_for_which_no_worker_comes_fails(ai: Assistant, workers: Workers) -> None:
    workers.start("toolbox", **SHORT)
    begun_at = time.monotonic()
    said = error(ai.enqueue(LOOK_UP))
    assert "ToolNotFound" in said
    assert "function (careful:look_up), and none has come within 1.5 s" in said
    assert time.monotonic() - begun_at >= 1.5


def test_a_run_waits_for_whichever_of_its_workers_comes_first(
    ai: Assistant, here: Worker, workers: Workers
) -> None:
    run = ai.enqueue(f"{LOOK_UP} {LEFT} {SHOW}")
    wait_begun(run, here)
    assert outputs(run.refresh()) == ["int 7"]  # what can be executed does not wait
    [misuse] = workers.start("misuse")
    wait_begun(run, misuse)
    assert sorted(outputs(run.refresh())) == ["int 7", "left"]
    [careful] = workers.start("careful")

    assert run.wait(20).status == "completed"
    assert sorted(outputs(run)) == [f"7 looked up by {careful.pid}", "int 7", "left"]


def test_a_run_that_can_be_handed_over_or_parked_does_not_wait(
    ai: Assistant, here: Worker, workers: Workers
) -> None:
    run = ai.enqueue(f"{LEFT} {REFUND} {SHOW}")
    approve(run)  # though `left` has no worker
    assert WAITS not in here.log() or here.log().index(WAITS) > here.log().index("from outside")
    [careful] = workers.start("careful")
    wait_begun(run, careful)  # `left` has none still, but that was no reason not to come here
    assert sorted(outputs(run.refresh())) == [f"7 refunded by {careful.pid}", "int 7"]
    workers.start("misuse")
    assert run.wait(20).status == "completed"


def test_a_worker_that_drains_gives_a_waiting_run_back_at_once(
    ai: Assistant, workers: Workers
) -> None:
    [first] = workers.start("toolbox", THREADMILL_DRAIN_SECONDS="60")
    run = ai.enqueue(LOOK_UP)
    wait_begun(run, first)
    [second] = workers.start("toolbox")

    first.terminate()
    wait_begun(run, second)
    assert first.ends()

    workers.start("careful")
    assert run.wait(20).status == "completed"


def test_a_waiting_run_is_not_handed_over_to_a_worker_that_drains(
    ai: Assistant, here: Worker, workers: Workers
) -> None:
    [draining] = workers.start("careful", THREADMILL_DRAIN_SECONDS="60")
    busy = ai.enqueue('call ship {"seconds": 30}', tools=[spec("careful", "ship")])
    assert approve(busy) == ""
    wait_until(lambda: busy.refresh().worker == draining.name, "it ships", 20)
    draining.terminate()
    wait_until(lambda: "told to stop" in draining.log(), "it drains")

    run = ai.enqueue(LOOK_UP)
    wait_begun(run, here)
    [careful] = workers.start("careful")
    assert run.wait(20).status == "completed"
    assert (run.attempt, run.worker) == (2, careful.name)
    busy.cancel()


def test_a_cancel_ends_a_waiting_run_at_once(ai: Assistant, here: Worker) -> None:
    run = ai.enqueue(LOOK_UP)
    wait_begun(run, here)
    begun_at = time.monotonic()
    run.cancel()
    assert run.wait(20).status == "cancelled"
    assert time.monotonic() - begun_at < 10  # and not when the wait is over
    [call] = [call for step in run.steps for call in step.tool_calls]
    assert call.output is None


def test_a_killed_workers_waiting_run_waits_at_another_one(
    ai: Assistant, here: Worker, workers: Workers
) -> None:
    run = ai.enqueue(REFUND)
    approve(run)
    wait_begun(run, here)
    [second] = workers.start("toolbox")
    here.kill()
    wait_begun(run, second)
    [careful] = workers.start("careful")
    assert run.wait(20).status == "completed"
    assert outputs(run) == [f"7 refunded by {careful.pid}"]


def test_a_call_that_was_interrupted_waits_for_its_function_and_is_listed_once(
    here: Worker, workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BOTS))
    notes = tmp_path / "notes"
    notes.touch()
    [dangerous] = workers.start("dangerous")
    assistant = Assistant("absent", tools=[spec("dangerous", "die_once")])
    run = assistant.enqueue("call die_once {}", context={"notes": str(notes)})
    wait_begun(run, here)  # the worker that it has ended had the only function

    shown = json.loads(run_threadmill("show", run.id, "--json").stdout)
    assert shown["standstill"]["kind"] == "waits_for_worker"
    assert "threadmill worker dangerous" in shown["standstill"]["cure"]
    [call] = shown["calls"]
    assert (call["tool"], call["state"]) == ("die_once", "interrupted")

    [second] = workers.start("dangerous")
    assert run.wait(20).status == "completed"
    [call] = json.loads(run_threadmill("show", run.id, "--json").stdout)["calls"]
    assert call["state"] == "done"
    line = f"tool die_once was interrupted in call {call['id']} of {run.id}, since its worker ended"
    assert line in second.log()
    assert "it is called again" in second.log()
    assert line not in here.log() + dangerous.log()


def test_a_run_does_not_wait_beyond_its_deadline(
    ai: Assistant, here: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THREADMILL_RUN_SECONDS", "2")
    close_client()  # the next one reads the settings
    run = ai.enqueue(LOOK_UP)
    said = error(run)
    assert run.status == "expired"
    assert "It was waiting for a worker that has careful:look_up." in said


def test_a_run_does_not_wait_if_the_setting_is_0(ai: Assistant, workers: Workers) -> None:
    [worker] = workers.start("toolbox", THREADMILL_WORKER_WAIT_SECONDS="0")
    said = error(ai.enqueue(f"{LOOK_UP} {REFUND}"))  # nobody is asked about the other one
    assert "no live worker has its function (careful:look_up). Load" in said
    assert WAITS not in worker.log()


def test_a_run_does_not_wait_for_the_function_of_a_process_that_is_gone(
    ai: Assistant, here: Worker
) -> None:
    gone = spec("careful", "look_up").model_copy(update={"identity": "__main__@0123456789ab:gone"})
    said = error(Assistant(tools=[gone]).enqueue(LOOK_UP))
    assert "no live worker has its function (__main__@0123456789ab:gone). Load" in said
    assert WAITS not in here.log()
