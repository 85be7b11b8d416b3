"""`threadmill show`: why a run does not move. Each reason with the situation that it is for."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.support.paths import BOTS
from tests.support.processes.commands import run_threadmill
from tests.support.processes.worker import Worker, Workers
from tests.support.provider_requests import is_speaking
from tests.support.store.registered_workers import holding_a_run
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.inspection import queued_runs
from threadmill.inspection.run_details import RunDetails, read_run_details
from threadmill.inspection.standstill import Standstill
from threadmill.testing import Call, Fault, Pause, Reply, StandIn, Text, scripted
from threadmill_shared.records.objects import RequiredCall
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store
from threadmill_workers.membership.identity import WorkerIdentity

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

DAWDLE = 'call dawdle {"seconds": 3600}'
SEARCH = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}


@pytest.fixture
def context(tmp_path: Path) -> dict[str, str]:
    notes = tmp_path / "notes"
    notes.touch()
    return {"notes": str(notes)}


def in_store(url: str, act: Callable[[Store], Coroutine[Any, Any, Any]]) -> Any:
    async def do() -> Any:
        store = Store(connect(url), "threadmill")
        try:
            return await act(store)
        finally:
            await store.close()

    return asyncio.run(do())


def details(url: str, run_id: str) -> RunDetails:
    found: RunDetails = in_store(url, lambda store: read_run_details(store, run_id))
    return found


def wait_for(url: str, run: Run, kind: str, seconds: float = 20) -> Standstill:
    """Wait until the run does not move for this reason."""
    last: list[str] = []

    def look() -> Standstill | None:
        found = details(url, run.id).standstill
        last[:] = [found.kind if found else "moving"]
        return found if found is not None and found.kind == kind else None

    found = wait_until(look, f"{kind}; it was {last}", seconds)
    assert found is not None
    return found


def begin_dawdling(context: dict[str, str], thread: Thread | None = None) -> Run:
    """A run whose tool is being executed."""
    run = Assistant.load("dangerous").enqueue(DAWDLE, thread=thread, context=context)
    notes = Path(context["notes"])
    wait_until(lambda: "begin:dawdle" in notes.read_text(), "the tool is called")
    return run


# ---- queued --------------------------------------------------------------------------------------


def test_no_worker_is_alive(environment: None, redis_url: str) -> None:
    run = Assistant(name="plain").enqueue("Hello")
    found = wait_for(redis_url, run, "no_worker")
    assert found.reason == "No worker is alive in the namespace threadmill."
    assert found.cure == "Start one: threadmill worker MODULE"
    run.cancel()


def test_no_worker_takes_runs_from_its_queue(workers: Workers, redis_url: str) -> None:
    workers.start("bot")
    run = Assistant(name="far", queue="far").enqueue("Hello")
    found = wait_for(redis_url, run, "queue_not_consumed")
    assert "threadmill.far" in found.reason
    assert "threadmill worker --queue far MODULE" in found.cure
    run.cancel()


def test_all_workers_of_its_queue_are_stopping(
    workers: Workers, redis_url: str, standin: StandIn
) -> None:
    [worker] = workers.start("bot", THREADMILL_DRAIN_SECONDS="20")
    pause = Pause(after_tokens=10)
    standin.brain = lambda _: Reply([Text(["word "] * 20)], pause=pause)
    first = Assistant(name="plain").enqueue("Speak.")
    standin.wait_until(is_speaking)
    worker.terminate()
    wait_until(lambda: "told to stop" in worker.log(), "the worker drains")
    run = Assistant(name="plain").enqueue("Hello.")
    found = wait_for(redis_url, run, "workers_stopping")
    assert worker.name in found.reason
    assert "start one: threadmill worker MODULE" in found.cure
    assert "stopping" in run_threadmill("workers").stdout
    assert "0 alive, 1 stopping, 0 silent" in run_threadmill("status").stdout
    pause.end()
    first.wait(10)


def test_all_slots_are_taken(workers: Workers, redis_url: str, context: dict[str, str]) -> None:
    workers.start("dangerous", THREADMILL_CONCURRENCY="1")
    first = begin_dawdling(context)
    run = Assistant.load("dangerous").enqueue("Hello", context=context)
    found = wait_for(redis_url, run, "no_slot")
    assert found.reason == "All 1 slot of the 1 worker of its queue are taken."
    assert found.seconds is not None
    run.cancel()
    first.cancel()


def test_it_is_behind_another_run_of_its_thread(
    workers: Workers, redis_url: str, context: dict[str, str]
) -> None:
    workers.start("dangerous")
    thread = Thread()
    first = begin_dawdling(context, thread)
    second, third = (
        Assistant.load("dangerous").enqueue("Hello", thread=thread, context=context)
        for _ in range(2)
    )
    found = wait_for(redis_url, second, "behind")
    assert first.id in found.reason
    assert "more run" not in found.reason
    assert details(redis_url, third.id).ahead == (first.id, second.id)
    assert "with 1 more run before it" in wait_for(redis_url, third, "behind").reason
    # The tool of the first run takes a while, and then that is told of the second one, too.
    wait_until(lambda: "dawdle" in wait_for(redis_url, second, "behind").reason, "its tool")
    for run in (third, second, first):
        run.cancel()


def test_a_worker_takes_it_next_or_none_has_taken_it(
    environment: None, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = {"THREADMILL_BROKER_URL": "redis://127.0.0.1:1/0"}
    worker = Worker(tmp_path / "log", ("bot",), BOTS, away)
    try:
        wait_until(lambda: "worker" in in_registered(redis_url), "it is registered", 20)
        run = Assistant(name="plain").enqueue("Hello")
        assert wait_for(redis_url, run, "sent").cure == "Wait"
        monkeypatch.setattr(queued_runs, "UNCLAIMED_SECONDS", 0.5)
        found = wait_for(redis_url, run, "unclaimed")
        assert "free slots" in found.reason
        assert "threadmill status" in found.cure
        run.cancel()
    finally:
        worker.kill()


def in_registered(url: str) -> str:
    return "worker" if in_store(url, lambda store: store.workers.alive()) else ""


def test_it_is_sent_again_after_a_pause_since_its_workers_have_died(
    workers: Workers, redis_url: str, context: dict[str, str]
) -> None:
    workers.start("dangerous", 4, THREADMILL_MAX_ATTEMPTS="10")
    run = Assistant.load("dangerous").enqueue("call die_again {}", context=context)
    found = wait_for(redis_url, run, "pausing")
    assert "died" in found.reason
    run.cancel()


# ---- held by a worker ----------------------------------------------------------------------------


def test_its_worker_is_frozen_and_no_other_is_alive(
    workers: Workers, redis_url: str, context: dict[str, str]
) -> None:
    [worker] = workers.start("dangerous")
    thread = Thread()
    run = begin_dawdling(context, thread)
    behind = Assistant.load("dangerous").enqueue("Hello", thread=thread, context=context)
    worker.freeze()
    try:
        found = wait_for(redis_url, run, "worker_silent")
        assert worker.name in found.reason
        assert "threadmill worker MODULE" in found.cure
        # Who waits for the thread learns it from the same look.
        waits = wait_for(redis_url, behind, "behind")
        assert f"{worker.name}, is silent" in waits.reason
        assert waits.cure == found.cure
    finally:
        worker.thaw()


def test_its_worker_is_gone(environment: None, redis_url: str) -> None:
    async def hold(store: Store) -> str:
        held = await holding_a_run(store, WorkerIdentity("web:1:aaaa", "threadmill:bell:web:1"))
        return held.record.id

    found = details(redis_url, in_store(redis_url, hold)).standstill
    assert found is not None
    assert (found.kind, found.reason) == (
        "worker_gone",
        "The worker that holds it, web:1, is gone.",
    )


def test_its_workers_loop_is_blocked_and_so_is_the_only_consumer_of_its_queue(
    workers: Workers, redis_url: str, context: dict[str, str]
) -> None:
    [worker] = workers.start("dangerous")
    run = Assistant.load("dangerous").enqueue('call block {"seconds": 3600}', context=context)
    wait_for(redis_url, run, "executing_tool")
    queued = Assistant.load("dangerous").enqueue("Hello", context=context)
    found = wait_for(redis_url, run, "worker_blocked")
    assert worker.name in found.reason
    assert found.seconds is not None
    assert found.seconds > 10
    assert wait_for(redis_url, queued, "workers_blocked").reason
    in_store(redis_url, lambda store: store.runs.cancel(run.id))
    assert details(redis_url, run.id).standstill == Standstill(
        kind="cancelling",
        reason="It is being cancelled, and its worker has not ended it yet.",
        cure="Wait; after a second it is ended without its worker",
        seconds=pytest.approx(0, abs=5),
    )


def test_its_request_to_the_model_is_repeated(
    workers: Workers, standin: StandIn, redis_url: str
) -> None:
    standin.brain = lambda _: Fault.status(503)
    workers.start("bot", THREADMILL_MODEL_RETRIES="100")
    run = Assistant(name="plain").enqueue("Hello")
    found = wait_for(redis_url, run, "model_retry")
    assert "ModelUnavailable" in found.reason
    assert re.search(r"the last time \d+ s ago, and is repeated", found.reason)
    assert found.seconds is None  # it begins again with each repetition
    host = standin.base_url.split("/")[2]
    wait_until(lambda: host in wait_for(redis_url, run, "model_retry").reason, "its host")
    run.cancel()


def test_it_waits_for_the_model_or_moves(
    workers: Workers, standin: StandIn, redis_url: str
) -> None:
    pause = Pause(after_tokens=2)
    standin.brain = lambda _: Reply([Text(["a ", "b ", "c ", "d "])], pause=pause)
    workers.start("bot")
    run = Assistant(name="plain").enqueue("Hello")
    wait_until(lambda: run.refresh().status == "in_progress", "it is executed")
    assert details(redis_url, run.id).standstill is None
    found = wait_for(redis_url, run, "asking_model")
    assert "answer of the model" in found.reason
    pause.end()
    run.wait(20)
    shown = details(redis_url, run.id)
    assert (shown.status, shown.standstill, shown.deadline) == ("completed", None, None)


def test_its_worker_executes_a_tool(
    workers: Workers, redis_url: str, context: dict[str, str]
) -> None:
    [worker] = workers.start("dangerous")
    run = begin_dawdling(context)
    found = wait_for(redis_url, run, "executing_tool")
    assert found.reason == f"Its worker {worker.name} executes the tool dawdle."
    assert found.seconds is not None
    assert found.seconds >= 3
    shown = run_threadmill("show", run.id)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^dawdle +executing +\d\d:", shown.stdout, re.MULTILINE)
    assert re.search(
        r"^why +Its worker .* executes the tool dawdle. \(for \d+", shown.stdout, re.MULTILINE
    )
    run.cancel()


# ---- parked --------------------------------------------------------------------------------------


def test_a_call_waits_for_an_approval(workers: Workers, redis_url: str) -> None:
    workers.start("careful")
    run = Assistant.load("careful").enqueue('call refund {"order": 70017001}')
    found = wait_for(redis_url, run, "waits_for_approval")
    [call] = run.refresh().required_action.tool_calls if run.refresh().required_action else []
    assert found.cure == (
        f"threadmill approve {run.id} {call.id}, or threadmill reject {run.id} {call.id}"
    )
    done = run_threadmill("show", run.id, "--json")
    shown = json.loads(done.stdout)
    assert shown["standstill"]["kind"] == "waits_for_approval"
    assert [(one["tool"], one["state"]) for one in shown["calls"]] == [
        ("refund", "waits for approval")
    ]
    assert (shown["attempts"], shown["turns"], shown["assistant"]) == (1, 1, "careful")
    assert "70017001" not in done.stdout
    run.cancel()


def test_a_call_waits_for_an_output_from_outside(
    workers: Workers, redis_url: str, tmp_path: Path
) -> None:
    workers.start("bot")
    run = Assistant(name="plain", tools=[SEARCH]).enqueue("call search {}")
    found = wait_for(redis_url, run, "waits_for_output")
    assert found.reason == "It waits for the output of search from outside."
    assert "submit_tool_outputs" in found.cure
    run.cancel()


def test_a_call_waits_for_a_function_that_no_worker_has_in_this_version(
    workers: Workers, redis_url: str, context: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(order: int) -> str:
        """Find an order."""
        started.set()
        assert ended.wait(60)
        return str(order)

    started, ended = threading.Event(), threading.Event()
    workers.start("bot")
    run = Assistant(name="plain", tools=[find]).enqueue('call find {"order": 1}')
    found = wait_for(redis_url, run, "waits_for_output")
    assert "no live worker has " in found.reason
    waiting = threading.Thread(target=lambda: run.wait(60), daemon=True)
    waiting.start()
    assert started.wait(20)
    assert wait_for(redis_url, run, "executing_outside").reason.endswith("executes its tool find.")
    ended.set()
    waiting.join(30)
    assert run.refresh().status == "completed"


# ---- what has ended ------------------------------------------------------------------------------


def test_an_ended_run_is_shown_with_its_times_tokens_and_error(
    workers: Workers, standin: StandIn, redis_url: str
) -> None:
    workers.start("bot")
    done = Assistant(name="plain").enqueue("Hello").wait(20)
    shown = details(redis_url, done.id)
    assert (shown.status, shown.error, shown.standstill) == ("completed", None, None)
    assert shown.ended_at is not None
    assert shown.started_at is not None
    assert shown.created_at <= shown.started_at <= shown.ended_at
    assert shown.duration_seconds == pytest.approx(shown.ended_at - shown.started_at, abs=0.001)
    assert shown.completion_tokens > 0

    standin.brain = lambda _: Fault.status(401)
    failed = Assistant(name="plain").enqueue("Hello").wait(20)
    text = run_threadmill("show", failed.id).stdout
    assert re.search(r"^status +failed$", text, re.MULTILINE)
    assert re.search(r"^error +invalid_prompt: ModelRefused: .*401", text, re.MULTILINE)
    assert "why" not in text


def failures(run: Run) -> list[str]:
    """In which way its calls have failed, as `threadmill show` says it."""
    text = run_threadmill("show", run.id).stdout
    return re.findall(r"^\w+ +failed: (.*?)  ", text, re.MULTILINE)


def test_it_says_in_which_way_calls_have_failed(workers: Workers, standin: StandIn) -> None:
    workers.start("toolbox", THREADMILL_TOOL_SECONDS="1")
    calls = [
        Call("fail", {}),
        Call("wait_on_loop", {"seconds": 60}),
        Call("show_int", {"value": "secret"}),
        Call("made_up", {"value": "secret"}),
    ]
    standin.brain = scripted(Reply(calls), "Sorry.")
    run = Assistant.load("toolbox").enqueue("Hello").wait(20)
    line = (BOTS / "toolbox.py").read_text().splitlines().index("def fail() -> str:") + 2
    assert failures(run) == [
        f"LookupError at toolbox.py:{line}",
        "timed out after 1 s",
        "not executed: invalid arguments",
        "not executed: there is no such tool",
    ]
    said = run_threadmill("show", run.id, "--json").stdout
    assert [one["state"] for one in json.loads(said)["calls"]] == ["failed"] * 4
    assert "secret" not in said
    assert "nothing there" not in said  # the text of the error


def test_it_says_that_a_call_was_interrupted(workers: Workers, context: dict[str, str]) -> None:
    [worker] = workers.start("dangerous")
    run = begin_dawdling(context)
    wait_until(lambda: run.refresh().worker == worker.name, "it has a worker", 20)
    wait_until(lambda: "dawdle" in Path(context["notes"]).read_text(), "it dawdles", 20)
    workers.start("dangerous")
    worker.kill()
    assert run.wait(20).status == "completed"
    assert failures(run) == ["interrupted: its worker ended"]


def test_it_still_says_so_when_the_run_was_parked_meanwhile(
    workers: Workers, standin: StandIn
) -> None:
    workers.start("toolbox")
    workers.start("careful")
    tools = {t.name: t for name in ("toolbox", "careful") for t in Assistant.load(name).tools}
    assistant = Assistant(tools=[tools[name] for name in ("fail", "refund", "ship", "show_int")])
    made = [Call("fail", {}), Call("refund", {"order": 1}), Call("ship", {"seconds": 0})]
    standin.brain = scripted(Reply(made), "Sorry.")
    run = assistant.enqueue("Hello")
    wait_until(lambda: len(required(run)) == 2, "it is parked", 20)
    for call in required(run):
        if call.function.name == "refund":
            run.reject(call.id)
        else:
            run.approve(call.id)
    assert run.wait(20).status == "completed"
    assert [one.partition(" at ")[0] for one in failures(run)] == [
        "LookupError",
        "not executed: rejected",
    ]


def required(run: Run) -> list[RequiredCall]:
    action = run.refresh().required_action
    return action.tool_calls if action else []


def test_a_run_that_is_not_there_is_one_line(environment: None) -> None:
    done = run_threadmill("show", "run_00" + 30 * "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: There is no run run_00")
