"""How a worker starts: it can ask its provider first, and says so if it has no assistant."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support.paths import BOTS
from tests.support.processes.commands import COMMAND
from tests.support.processes.worker import Worker, Workers
from tests.support.servers.model_lists import ModelList, listing
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_until

from threadmill import Assistant
from threadmill.testing import StandIn

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

WRONG_KEY = {"error": {"code": "invalid_api_key", "message": "No such key."}}


def refused(base_url: str) -> str:
    """What a worker says that does not start; it has no more than a few seconds."""
    done = subprocess.run(
        [*COMMAND, "worker", "--check", "bot"],
        cwd=BOTS,
        env={**os.environ, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "sk-secret"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "sk-secret" not in done.stderr
    return done.stderr


def test_a_worker_that_checks_starts_if_its_provider_answers(
    workers: Workers, standin: StandIn
) -> None:
    [worker] = workers.start("bot", options=("--check",))
    assert "answers and accepts the key" in worker.log()
    assert standin.requests == []  # it was asked for its models only
    assert Assistant.load("plain").enqueue("Hello!").wait(20).status == "completed"


def test_it_does_not_start_without_a_provider_or_with_a_wrong_key(environment: None) -> None:
    said = refused(f"http://127.0.0.1:{free_port()}/v1")
    assert "Error: The model provider 127.0.0.1" in said
    assert "cannot be reached: nothing listens at this address" in said
    with ModelList(401, WRONG_KEY) as provider:
        said = refused(provider.base_url)
    assert "it rejects the key (HTTP 401). Correct OPENAI_API_KEY" in said


def test_a_worker_that_does_not_check_starts_without_its_provider(workers: Workers) -> None:
    [worker] = workers.start("bot", OPENAI_BASE_URL=f"http://127.0.0.1:{free_port()}/v1")
    assert " ready: " in worker.log()


def test_a_provider_without_a_list_of_models_is_taken_for_one_that_answers(
    workers: Workers,
) -> None:
    with ModelList(404, {"error": "not found"}) as provider:
        [worker] = workers.start("bot", options=("--check",), OPENAI_BASE_URL=provider.base_url)
        assert "answers and does not list its models" in worker.log()
    with ModelList(200, listing("gpt-x")) as provider:
        workers.start("bot", options=("--check",), OPENAI_BASE_URL=provider.base_url)


# ---- without an assistant ---------------------------------------------------------------------


def started(log: Path, *modules: str, folder: Path) -> Worker:
    worker = Worker(log, modules, folder, {})
    worker.wait_ready()
    return worker


@pytest.mark.parametrize(
    ("source", "reason", "tools"),
    [
        (None, "no MODULE was given", "need no tools"),
        ("x = 1\n", "its modules define none", "need no tools"),
        (
            "from threadmill import tool\n@tool\ndef look() -> str:\n    'Look.'\n    return 'x'\n",
            "its modules define none",
            "need no tools but its 1",
        ),
    ],
)
def test_a_worker_without_an_assistant_says_once_what_it_can_do_and_is_not_ready(
    environment: None, tmp_path: Path, source: str | None, reason: str, tools: str
) -> None:
    (tmp_path / "nothing.py").write_text(source or "")
    log = tmp_path / "log"
    worker = started(log, *(["nothing"] if source else []), folder=tmp_path)
    try:
        [warning] = [one for one in lines(worker) if "this worker has no assistant" in one]
        assert "WARNING" in warning
        assert f"this worker has no assistant ({reason}); " in warning
        assert tools in warning
        assert " ready: " not in worker.log()
        [line] = [one for one in lines(worker) if one.startswith("worker ")]
        assert "has no assistant, and waits for runs of others: 0 assistants, " in line
        assert worker.log().count("defines no assistant") <= 1
        run: Any = Assistant(name="created").enqueue("Hello!").wait(20)
        assert (run.status, run.worker) == ("completed", worker.name)
    finally:
        worker.terminate()
        wait_until(worker.has_ended, "the worker has ended")


def lines(worker: Worker) -> list[str]:
    return worker.log().splitlines()
