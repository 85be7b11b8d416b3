"""What the doctor says of a fleet in which something is wrong: real workers, planted faults."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.support.processes.worker import Worker, Workers
from tests.support.servers.model_lists import ModelList, listing
from tests.support.waiting import wait_until

from threadmill import Assistant, Run
from threadmill.inspection.doctor import stuck_runs
from threadmill.inspection.doctor.diagnosis import diagnose
from threadmill.inspection.doctor.finding import Finding
from threadmill.testing import Fault, Pause, Reply, StandIn, Text
from threadmill_shared.settings import Settings

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Search the shop.",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}},
    },
}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes"
    path.touch()
    return path


def examine(*, with_provider: bool = False) -> dict[str, Finding]:
    """The findings, by name; with the settings of the environment as they are now."""
    found = asyncio.run(diagnose(Settings(), with_provider=with_provider))
    return {one.name: one for one in found}


def find(name: str, state: str, words: str = "", seconds: float = 15) -> Finding:
    """Wait until the doctor has this finding: a worker writes its state every few seconds."""
    last: list[Finding] = []

    def is_found() -> Finding | None:
        last[:] = [examine()[name]]
        return last[0] if (last[0].state, words in last[0].cause) == (state, True) else None

    try:
        return wait_until(is_found, f"{name} is {state}", seconds)
    except AssertionError:
        raise AssertionError(f"the doctor says {last}") from None


def dangerous(text: str, notes: Path) -> Run:
    return Assistant.load("dangerous").enqueue(text, context={"notes": str(notes)})


def test_a_fleet_that_works(workers: Workers) -> None:
    workers.start("bot", 2)
    run = Assistant.load("plain").enqueue("Hello!").wait(20)
    assert run.status == "completed"
    find("lists.complete", "ok")  # a worker that begins looks at the store first
    found = examine()
    wrong = {n: o for n, o in found.items() if o.state in ("error", "warning") and n[:5] != "redis"}
    assert wrong == {}
    assert found["workers.alive"].cause == "2 workers"
    assert "1 published assistant" in found["workers.modules"].cause


def test_no_worker(environment: None) -> None:
    Assistant(name="nobody").enqueue("Hello!")
    found = examine()
    assert (found["workers.alive"].state, found["queues.consumed"].state) == ("error", "error")
    assert found["workers.alive"].cause == (
        "no worker is alive in namespace threadmill; 1 run queued"
    )
    assert "threadmill worker MODULE" in found["workers.alive"].cure
    assert found["workers.version"].state == "skipped"
    assert "no worker takes the runs of threadmill (1, the oldest for" in (
        found["queues.consumed"].cause
    )


def test_a_queue_without_a_worker(workers: Workers) -> None:
    workers.start("bot")
    Assistant(name="elsewhere", queue="gpu").enqueue("Hello!")
    found = find("queues.consumed", "error", "threadmill.gpu")
    assert found.cure == "Start one: threadmill worker --queue gpu MODULE."
    workers.start("bot", options=("--queue", "gpu"))  # the cure
    find("queues.consumed", "ok")


def test_workers_without_the_assistants_module(workers: Workers, notes: Path) -> None:
    [first] = workers.start("dangerous")
    assert examine()["workers.modules"].state == "ok"
    first.terminate()
    assert first.ends()
    workers.start("bot", THREADMILL_WORKER_WAIT_SECONDS="0")
    found = find("workers.modules", "warning", "the tools of dangerous (die, ")
    assert "threadmill worker MODULE" in found.cure
    run = dangerous('call remember {"word": "tea"}', notes).wait(20)
    assert run.status == "failed"
    workers.start("dangerous")  # the cure
    find("workers.modules", "ok")


def test_a_call_whose_output_nobody_gives(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers.start("bot")
    run = Assistant(name="shop", tools=[SEARCH]).enqueue('call search {"word": "tea"}')
    wait_until(lambda: run.refresh().status == "requires_action", "it waits")
    assert examine()["runs.outputs"].state == "ok"
    monkeypatch.setattr(stuck_runs, "UNANSWERED_SECONDS", 0.0)
    found = examine()["runs.outputs"]
    assert "waiting for an output from outside the workers: 1 run" in found.cause
    assert (found.state, run.id in found.cause) == ("warning", True)
    assert "submit_tool_outputs" in found.cure
    run.cancel()


def test_a_stuck_tool(workers: Workers, notes: Path) -> None:
    [worker] = workers.start("dangerous", THREADMILL_TOOL_SECONDS="1", THREADMILL_TOOL_THREADS="1")
    dangerous('call dawdle {"seconds": 3600}', notes).wait(20)
    found = find("workers.tool_threads", "warning", "still running although nobody waits")
    assert f"1 tool call, most of them in {worker.name} (1)" in found.cause
    assert "docs/tools.md" in found.cure


def test_calls_that_wait_for_a_thread(workers: Workers, notes: Path) -> None:
    [worker] = workers.start("dangerous", THREADMILL_TOOL_THREADS="1")
    runs = [dangerous('call dawdle {"seconds": 3600}', notes) for _ in range(2)]
    found = find("workers.tool_threads", "warning", f"waiting for a thread in {worker.name}")
    assert "1 tool call; 1 of 1 threads are busy, 0 more are abandoned" in found.cause
    assert "THREADMILL_TOOL_THREADS" in found.cure
    for run in runs:
        run.cancel()


def test_an_approval_that_somebody_has_forgotten(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers.start("careful")
    run = Assistant.load("careful").enqueue('call refund {"order": 7}')
    wait_until(lambda: run.refresh().status == "requires_action", "it waits")
    assert examine()["runs.approvals"].cause == "calls that wait for an approval: 1"
    monkeypatch.setattr(stuck_runs, "FORGOTTEN_SECONDS", 0.0)
    found = examine()["runs.approvals"]
    assert (found.state, run.id in found.cause) == ("warning", True)
    assert "threadmill approve RUN_ID" in found.cure
    [call] = run.required_action.tool_calls if run.required_action else []
    run.approve(call.id)  # the cure
    run.wait(20)
    assert examine()["runs.approvals"].state == "ok"


def test_a_thread_that_is_held_by_a_frozen_worker(workers: Workers, standin: StandIn) -> None:
    """Alone, nobody takes its run over."""
    pause = Pause(after_tokens=2)
    standin.brain = lambda _: Reply([Text(["one ", "two ", "three "])], pause=pause)
    [frozen] = workers.start("bot")
    Assistant.load("plain").enqueue("Hello!")
    standin.wait_until(lambda requests: bool(requests and requests[0].token_times))
    frozen.freeze()
    try:
        found = find("workers.answering", "error")
        assert f"{frozen.name} has no lease: killed, frozen or cut off; 1 run held" in found.cause
        assert "start one" in found.cure
        assert examine()["workers.alive"].state == "error"
        workers.start("bot")  # the cure
        find("workers.answering", "ok")
    finally:
        frozen.thaw()
        pause.end()


def test_a_cancelled_run_that_nobody_is_left_to_end(
    workers: Workers, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause = Pause(after_tokens=2)
    standin.brain = lambda _: Reply([Text(["one ", "two ", "three "])], pause=pause)
    [worker] = workers.start("bot")
    run = Assistant.load("plain").enqueue("Hello!")
    standin.wait_until(lambda requests: bool(requests and requests[0].token_times))
    worker.freeze()
    asyncio.run(only_mark_as_cancelled(run.id))
    monkeypatch.setattr("threadmill.inspection.doctor.reading.OVERDUE_SECONDS", 1.0)
    found = find("runs.overdue", "error")
    assert run.id in found.cause
    assert "any worker ends them" in found.cure
    workers.start("bot")  # the cure
    find("runs.overdue", "ok")
    worker.thaw()
    pause.end()


async def only_mark_as_cancelled(run_id: str) -> None:
    """Cancel a run, as a process does that is killed before it has seen the run's end."""
    from threadmill_shared.store.connections import connect
    from threadmill_shared.store.store import Store

    settings = Settings()
    store = Store(connect(settings.store_url()), settings.namespace)
    await store.runs.cancel(run_id)
    await store.close()


# ---- the provider, as workers have found it ---------------------------------------------------


@pytest.fixture
def worker(workers: Workers) -> Worker:
    [worker] = workers.start("bot", THREADMILL_MODEL_RETRIES="0")
    return worker


@pytest.mark.parametrize(
    ("status", "code", "cause", "cure"),
    [
        (401, "invalid_api_key", "the key is wrong (HTTP 401)", "Correct OPENAI_API_KEY"),
        (404, "model_not_found", "no such model or address (HTTP 404)", "Correct THREADMILL_MODEL"),
        (429, "insufficient_quota", "no quota is left (HTTP 429)", "Top the account up"),
    ],
)
def test_a_wrong_key_a_wrong_model_and_no_quota(
    worker: Worker, standin: StandIn, status: int, code: str, cause: str, cure: str
) -> None:
    standin.brain = lambda _: Fault.status(status, code=code)
    assert Assistant.load("plain").enqueue("Hello!").wait(20).status == "failed"
    found = find("provider.workers", "error", cause)
    assert "fails for 1 of 1 workers" in found.cause
    assert found.cure.startswith(cure)
    standin.brain = lambda _: "Hello."  # the cure
    Assistant.load("plain").enqueue("Hello!").wait(20)
    find("provider.workers", "ok")


def test_a_dead_provider(worker: Worker, standin: StandIn) -> None:
    standin.brain = lambda _: Fault.drop()
    assert Assistant.load("plain").enqueue("Hello!").wait(20).status == "failed"
    found = find("provider.workers", "error", "fails for 1 of 1 workers")
    assert found.cure.startswith("See whether a proxy breaks streams off")


def test_a_model_that_the_provider_does_not_have(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelList(200, listing("gpt-x")) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
        workers.start("bot", THREADMILL_MODEL="gpt-nope")
        found = examine(with_provider=True)["provider.models"]
        assert found.state == "warning"
        assert found.cause.endswith("does not list gpt-nope (plain)")
        assert "THREADMILL_MODEL" in found.cure
        provider.body = provider.body.replace("gpt-x", "gpt-nope")  # the cure
        assert examine(with_provider=True)["provider.models"].state == "ok"
