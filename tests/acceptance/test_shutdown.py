"""Signals to a worker process: the first lets runs go on, the second gives them back."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis
from tests.support.processes.worker import Worker, Workers
from tests.support.provider_requests import is_speaking
from tests.support.waiting import wait_until

from threadmill import Assistant, Run
from threadmill.testing import Pause, Reply, StandIn, Text

NUMBERS = [f"{number} " for number in range(20)]


@pytest.fixture
def pause() -> Pause:
    """In the middle of each answer, until a test ends it."""
    return Pause(after_tokens=10)


@pytest.fixture
def speaking(workers: Workers, standin: StandIn, pause: Pause) -> tuple[Worker, Run]:
    """A worker with 20 s to drain, and its run in the middle of a message."""
    standin.brain = lambda _: Reply([Text(NUMBERS)], delay=0.02, pause=pause)
    [worker] = workers.start("bot", THREADMILL_DRAIN_SECONDS="20")
    run = Assistant(name="plain").enqueue("Count.")
    standin.wait_until(is_speaking)
    return worker, run


def test_the_first_signal_lets_runs_go_on_to_their_end(
    speaking: tuple[Worker, Run], standin: StandIn, pause: Pause
) -> None:
    worker, run = speaking
    worker.terminate()
    wait_until(lambda: "told to stop" in worker.log(), "the worker drains")
    pause.end()
    run.wait(10)
    assert (run.status, run.attempt) == ("completed", 1)
    assert len(standin.requests) == 1
    wait_until(worker.has_ended, "the worker has ended")


@pytest.mark.parametrize("api", ["responses"], indirect=True)
def test_a_second_signal_gives_runs_back_at_once(
    speaking: tuple[Worker, Run], workers: Workers, pause: Pause
) -> None:
    worker, run = speaking
    while not worker.has_ended():  # so often that the handler interrupts itself
        worker.terminate()
    assert run.refresh().status == "queued"
    pause.end()
    workers.start("bot")
    run.wait(10)
    assert (run.status, run.attempt) == ("completed", 2)


@pytest.mark.parametrize("api", ["responses"], indirect=True)
def test_an_idle_worker_does_not_wait_until_its_queue_has_been_empty_for_a_second(
    workers: Workers, redis_url: str
) -> None:
    with Redis.from_url(redis_url) as server:
        [worker] = workers.start("bot")
        before = unblocked(server)
        worker.terminate()
        assert worker.ends()
        assert unblocked(server) == before + 1


def unblocked(server: Redis) -> int:
    """How often a client was told to wait for no message any more."""
    found: dict[str, dict[str, int]] = server.info("commandstats")
    return found.get("cmdstat_client|unblock", {"calls": 0})["calls"]


@pytest.mark.parametrize("api", ["responses"], indirect=True)
def test_what_a_drain_interrupts_is_named_in_the_log(workers: Workers, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.touch()
    [worker] = workers.start("dangerous", THREADMILL_DRAIN_SECONDS="0.1")
    context = {"notes": str(notes)}
    run = Assistant.load("dangerous").enqueue('call dawdle {"seconds": 3600.5}', context=context)
    wait_until(lambda: "begin:dawdle" in notes.read_text(), "the tool is called")
    [second] = workers.start("dangerous")
    worker.terminate()
    assert run.wait(20).status == "completed"
    assert f"giving back 1 run: {run.id}" in worker.log()
    [call] = [call for step in run.steps[-2:] for call in step.tool_calls]
    line = f"tool dawdle was interrupted in call {call.id} of {run.id}, since its worker ended"
    assert line in second.log()
    assert "3600.5" not in second.log()
