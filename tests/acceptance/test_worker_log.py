"""What a worker's log tells of providers that fail, runs that expire and workers that die."""

from __future__ import annotations

import pytest
from tests.support.processes.worker import Workers
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_until

from threadmill import Assistant
from threadmill.client.current import close_client
from threadmill.testing import Answer, Fault, Reply, StandIn, Text

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

SECRET = "what-nobody-else-may-read"
RETRIES = "9"


def lines(log: str, words: str) -> list[str]:
    return [line for line in log.splitlines() if words in line]


def host(standin: StandIn) -> str:
    return standin.base_url.split("/")[2]


FAULTS: dict[str, tuple[Answer, str]] = {
    "a wrong key": (
        Fault.status(401, message=SECRET),
        (
            "refuses requests (the key is wrong, HTTP 401), for {run} among others; their runs "
            "fail: check OPENAI_API_KEY"
        ),
    ),
    "no such model": (
        Fault.status(404, message=SECRET),
        (
            "refuses requests (no such model or address, HTTP 404), for {run} among others; their "
            "runs fail: check the model's name and OPENAI_BASE_URL"
        ),
    ),
    "a rate limit": (
        Fault.status(429, message=SECRET),
        (
            "is failing (rate limit reached (HTTP 429)), for {run} among others; each request is "
            "retried up to THREADMILL_MODEL_RETRIES times"
        ),
    ),
    "garbage": (
        Fault.garbage(),
        (
            "is failing (its response cannot be read), for {run} among others; each request is "
            "retried up to THREADMILL_MODEL_RETRIES times"
        ),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_provider_that_fails_is_named_with_the_cause(
    fault: str, workers: Workers, standin: StandIn
) -> None:
    answer, words = FAULTS[fault]
    standin.brain = lambda _: answer
    [worker] = workers.start("bot", THREADMILL_MODEL_RETRIES="0")
    runs = [Assistant(name="plain").enqueue(SECRET) for _ in range(3)]
    assert {run.wait(20).status for run in runs} == {"failed"}
    [line] = lines(worker.log(), f"WARNING threadmill.worker: the provider {host(standin)} ")
    assert any(words.format(run=run.id) in line for run in runs), line
    standin.brain = lambda _: "Hello."
    assert Assistant(name="plain").enqueue(SECRET).wait(20).status == "completed"
    assert len(lines(worker.log(), f"the provider {host(standin)} answers again, after 3 ")) == 1
    assert SECRET not in worker.log()


def test_a_provider_that_is_away_is_named_with_the_cause(workers: Workers) -> None:
    address = f"127.0.0.1:{free_port()}"
    [worker] = workers.start(
        "bot", THREADMILL_MODEL_RETRIES="0", OPENAI_BASE_URL=f"http://{address}/v1"
    )
    run = Assistant(name="plain").enqueue(SECRET).wait(20)
    assert run.status == "failed"
    [line] = lines(worker.log(), f"the provider {address} is failing (")
    assert "the connection was refused), for " in line


def test_a_provider_that_fails_has_one_line_and_one_when_it_answers_again(
    workers: Workers, standin: StandIn
) -> None:
    answers: list[Answer | str] = [Fault.status(503, message=SECRET)]
    standin.brain = lambda _: answers[-1]
    [worker] = workers.start("bot", THREADMILL_MODEL_RETRIES=RETRIES)
    runs = [Assistant(name="plain").enqueue(SECRET) for _ in range(5)]
    wait_until(lambda: len(standin.requests) >= 10, "each has been asked for twice")

    [begun] = lines(worker.log(), f"the provider {host(standin)} is failing (HTTP 503), ")
    assert any(run.id in begun for run in runs)
    assert not lines(worker.log(), f"the provider {host(standin)} answers again")

    answers.append("Here I am.")
    assert {run.wait(20).status for run in runs} == {"completed"}
    assert len(lines(worker.log(), " is failing (")) == 1
    assert len(lines(worker.log(), f"the provider {host(standin)} answers again, after ")) == 1
    assert SECRET not in worker.log()


def test_runs_that_expire_are_named(
    workers: Workers, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THREADMILL_RUN_SECONDS", "1")
    close_client()
    standin.brain = lambda _: Fault.hang(3, reply=Reply([Text([f"{SECRET} "] * 9)]))
    [worker] = workers.start("bot")
    run = Assistant(name="plain").enqueue(SECRET).wait(10)
    assert run.status == "expired"
    [line] = wait_until(lambda: lines(worker.log(), f"{run.id} expired"), "a line about its end")
    assert "error server_error deadline: The run did not end in time" in line
    assert SECRET not in worker.log()


def test_runs_that_a_sweep_ends_are_named(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THREADMILL_QUEUE_SECONDS", "1")
    close_client()
    held_up = Assistant(name="plain", queue="nobody")
    runs = [held_up.enqueue("Hello?") for _ in range(5)]
    [worker] = workers.start("bot")
    assert {run.wait(10).status for run in runs} == {"expired"}

    for run in runs:
        [line] = wait_until(lambda run=run: lines(worker.log(), f"{run.id} expired, "), "a line")
        assert "attempt 0" in line
        assert "error server_error deadline: No worker began the run in time" in line


def test_a_dead_workers_runs_are_counted_and_a_few_are_named(
    workers: Workers, standin: StandIn
) -> None:
    standin.brain = lambda _: Fault.hang(None)
    [dying] = workers.start("bot")
    runs = [Assistant(name="plain").enqueue("Wait.") for _ in range(5)]
    wait_until(lambda: len(standin.requests) == 5, "all are under way")
    [other] = workers.start("bot")
    dying.kill()
    wait_until(
        lambda: lines(other.log(), "is dead: its connection to Redis was closed, so it was killed"),
        "its death is seen",
    )
    [line] = lines(other.log(), "is dead: its connection to Redis was closed, so it was killed")
    assert f"worker {dying.name} is dead" in line
    named = [run.id for run in runs if run.id in line]
    assert len(named) == 3
    assert ", ...)  " in line
    assert "its runs are reassigned: 5 (" in line
    standin.brain = lambda _: "Done."
    for run in runs:
        run.cancel()
