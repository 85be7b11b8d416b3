"""Models that OpenAI shuts down: who uses one is told so."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.support.paths import SCRIPTS
from tests.support.processes.commands import STRICT, run_command
from tests.support.waiting import wait_until

from threadmill import Assistant, errors
from threadmill.testing import ScriptedModel
from threadmill.testing.workers import Workers
from threadmill_shared.retirements import announcements

SCRIPT = SCRIPTS / "retiring.py"
SOON, GONE = "gpt-4.1-mini", "gpt-4"
ELSEWHERE = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}

pytestmark = [
    pytest.mark.usefixtures("environment"),
    pytest.mark.parametrize("api", ["responses"], indirect=True),  # nobody asks a provider here
]


@pytest.fixture(autouse=True)
def openai_itself(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever uses OpenAI; nothing here connects to it."""
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.setattr(announcements, "_warned", set())


@pytest.fixture
def here() -> Iterator[Workers]:
    """Starts a worker in this process."""
    with Workers() as workers:
        yield workers


def warnings_of(*words: str, **environment: str) -> list[str]:
    """What a process of its own logs."""
    done = run_command(*STRICT, str(SCRIPT), *words, environment=os.environ | environment)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("WARNING OpenAI")]


def test_a_producer_is_told_once_of_each_model() -> None:
    gone, soon = sorted(warnings_of(SOON, GONE), key=lambda line: SOON in line)
    assert f"shut down {SOON} on 2027-01-14. Choose another model" in soon
    assert f"OpenAI announced that it would shut down {GONE} on 2026-10-23. " in gone


def test_a_process_that_executes_its_runs_itself_is_told_once_too() -> None:
    assert len(warnings_of("--worker", SOON)) == 1


def test_the_default_model_and_those_of_another_provider_go_without_saying() -> None:
    assert warnings_of("--worker", Assistant(name="any").definition().model) == []
    assert warnings_of("--worker", SOON, **ELSEWHERE) == []


def test_a_worker_is_told_of_a_model_whose_producer_was_not(
    here: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings_of(SOON, **ELSEWHERE) == []
    model = ScriptedModel("Hello!", "Hello!")
    here(Assistant(name="Ada"), model=model)
    wait_until(lambda: len(model.requests) == 2, "the worker has executed both runs")
    [told] = [line for line in caplog.messages if line.startswith("OpenAI")]
    assert SOON in told


@pytest.mark.parametrize(
    ("model", "status", "is_explained"),
    [(GONE, 404, True), (SOON, 404, True), (GONE, 400, False), ("mine", 404, False)],
)
def test_a_run_whose_model_is_not_found_says_what_was_announced_of_it(
    here: Workers, model: str, status: int, is_explained: bool
) -> None:
    refused = errors.ModelRefused("The model provider refused the request.", status=status)
    ai = Assistant(name="Ada", model=model)
    here(ai, model=ScriptedModel(refused))
    run = ai.enqueue("Hello!").wait(20)
    assert run.last_error is not None
    assert run.last_error.message.startswith(
        "ModelRefused: The model provider refused the request."
    )
    assert (f"shut down {model} on" in run.last_error.message) == is_explained
