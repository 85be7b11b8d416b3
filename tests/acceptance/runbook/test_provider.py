"""Incidents of the model provider."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.processes.worker import Worker, Workers
from tests.support.runbook import Operator
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.testing import Answer, Fault, Request, StandIn, converse
from threadmill_shared.retirements import announcements

SECRET = "what-the-provider-does-not-take"
SOON = "gpt-4.1-mini"


def host(base_url: str) -> str:
    return urlsplit(base_url).netloc


def ask(text: str = "Hello!", thread: Thread | None = None) -> Run:
    return Assistant.load("plain").enqueue(text, thread=thread).wait(30)


def refusing(
    is_wrong: Callable[[Request], bool], refusal: Answer
) -> Callable[[Request], Answer | str]:
    """A brain that refuses what this is true of."""
    return lambda request: refusal if is_wrong(request) else converse(request)


def restarted(operator: Operator, worker: Worker, **replaced: str) -> None:
    """Carry out a cure that begins with the end of the worker."""
    operator.cure(PID=str(worker.pid), MODULE="bot", **replaced)
    assert worker.ends()


def test_the_provider_cannot_be_reached(
    operator: Operator, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
    [worker] = workers.start("bot", THREADMILL_MODEL_RETRIES="100")
    run = Assistant.load("plain").enqueue("Hello!")
    operator.look(log=worker.log, RUN_ID=run.id, PROVIDER=f"127.0.0.1:{port}")
    operator.cure()
    with StandIn(port=port):
        assert run.wait(60).status == "completed"
        wait_until(lambda: "answers again" in worker.log(), "the end is told")


def test_the_provider_rejects_the_key(
    operator: Operator, workers: Workers, standin: StandIn
) -> None:
    standin.brain = refusing(
        lambda request: request.headers["authorization"] != "Bearer sk-right",
        Fault.status(401, code="invalid_api_key"),
    )
    [worker] = workers.start("bot", OPENAI_API_KEY="sk-wrong")
    run = ask()
    operator.look(log=worker.log, RUN_ID=run.id, PROVIDER=host(standin.base_url))
    restarted(operator, worker, KEY="sk-right")
    assert ask(thread=Thread(run.thread_id)).status == "completed"


def test_the_providers_quota_is_used_up(
    operator: Operator, workers: Workers, standin: StandIn
) -> None:
    standin.brain = lambda _: Fault.status(429, code="insufficient_quota")
    [worker] = workers.start("bot")
    run = ask()
    operator.look(log=worker.log, RUN_ID=run.id, PROVIDER=host(standin.base_url))
    standin.brain = converse
    operator.cure(ASSISTANT="plain", MESSAGE="Hello")
    assert ask(thread=Thread(run.thread_id)).status == "completed"


def test_the_provider_does_not_have_the_model(
    operator: Operator, workers: Workers, standin: StandIn
) -> None:
    standin.brain = refusing(
        lambda request: request.model != "gpt-x", Fault.status(404, code="model_not_found")
    )
    [worker] = workers.start("bot", THREADMILL_MODEL="gpt-nope")
    run = ask()
    operator.look(log=worker.log, RUN_ID=run.id, PROVIDER=host(standin.base_url))
    restarted(operator, worker, MODEL="gpt-x")
    assert ask(thread=Thread(run.thread_id)).status == "completed"


def test_a_model_is_announced_to_be_shut_down(
    operator: Operator,
    workers: Workers,
    standin: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    [worker] = workers.start("bot", THREADMILL_MODEL=SOON)
    monkeypatch.setattr(announcements, "_warned", set())
    with monkeypatch.context() as patch:
        patch.delenv("OPENAI_BASE_URL")  # this process and the command use OpenAI itself
        run = ask()
        operator.look(log=lambda: caplog.text, RUN_ID=run.id)
    restarted(operator, worker, MODEL="gpt-5.4-mini")
    assert ask().status == "completed"
    assert standin.requests[-1].body["model"] == "gpt-5.4-mini"


def test_the_provider_does_not_take_a_file(
    operator: Operator, workers: Workers, standin: StandIn, tmp_path: Path
) -> None:
    for name in ("dogs.md", "cats.txt"):
        (tmp_path / name).write_text("Cats purr.")
    standin.hosting.refused["dogs.md"] = "Invalid file format."
    [worker] = workers.start("hosted")
    thread, reader = Thread(), Assistant.load("reader")
    run = reader.enqueue("What?", thread=thread, file_search_files=[tmp_path / "dogs.md"])
    assert run.wait(30).status == "completed"
    operator.look(log=worker.log, RUN_ID=run.id, THREAD_ID=thread.id)
    operator.cure()
    run = reader.enqueue("What?", thread=thread, file_search_files=[tmp_path / "cats.txt"])
    assert run.wait(30).status == "completed"
    assert "cats.txt" in {file.name for file in standin.hosting.files.values()}


def test_the_provider_refuses_what_earlier_turns_left(
    operator: Operator, workers: Workers, standin: StandIn
) -> None:
    refusal = Fault.status(400, message="Bad Request")
    standin.brain = refusing(lambda request: SECRET in request.raw.decode(), refusal)
    [worker] = workers.start("bot")
    thread = Thread()
    ask("First", thread=thread)
    assert ask(SECRET, thread=thread).status == "failed"
    run = ask("And now?", thread=thread)
    assert run.status == "completed"
    operator.look(log=worker.log, RUN_ID=run.id)
    operator.cure()
    assert ask("And then?", thread=thread).status == "completed"
