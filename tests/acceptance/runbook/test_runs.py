"""Incidents of single runs."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from tests.acceptance.scripts import callers
from tests.support.processes.flower import Flower, running_flower
from tests.support.processes.script import Script
from tests.support.processes.worker import Workers
from tests.support.runbook import Operator
from tests.support.scrapes import Scrape
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.client.current import close_client
from threadmill.testing import Fault, Reply, StandIn, Text, converse

SEARCH = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}


def completes(thread_id: str) -> bool:
    run = Assistant.load("plain").enqueue("And now?", thread=Thread(thread_id))
    return run.wait(30).status == "completed"


def test_a_run_takes_too_long(operator: Operator, workers: Workers, standin: StandIn) -> None:
    standin.brain = lambda _: Reply([Text(["Late."])], first_delay=2)
    [worker] = workers.start("bot")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THREADMILL_RUN_SECONDS", "1")
        close_client()
        run = Assistant.load("plain").enqueue("Hello!").wait(30)
        operator.look(log=worker.log, RUN_ID=run.id)
        operator.cure(ASSISTANT="plain", MESSAGE="Hello")  # its command has another limit
    close_client()
    assert completes(run.thread_id)


def test_a_run_fails_for_good(
    operator: Operator, workers: Workers, standin: StandIn, tmp_path: Path
) -> None:
    """It is seen in five looks: log, Flower, `runs`, `show` and the metrics."""
    with running_flower(tmp_path) as flower:
        [worker] = workers.start("bot", THREADMILL_METRICS_PORT=str(free_port()))
        wait_until(lambda: Scrape.of_worker(worker).text, "metrics are served")
        standin.brain = lambda _: Fault.status(400, message="No.")
        run = Assistant.load("plain").enqueue("Hello!").wait(30)
        assert run.status == "failed"
        operator.look(log=worker.log, RUN_ID=run.id)
        failed = {"assistant": "plain", "status": "failed"}
        wait_until(
            lambda: Scrape.of_worker(worker).total("threadmill_runs_total", **failed) == 1,
            "it is counted",
        )
        wait_until(lambda: "FAILURE" in states(flower, run), "Flower shows it", 20)
        [task] = [task for id, task in flower.tasks().items() if id.startswith(run.id)]
        assert "ModelRefused" in task["exception"]
    standin.brain = converse
    operator.cure(ASSISTANT="plain", MESSAGE="Hello")
    assert completes(run.thread_id)


def states(flower: Flower, run: Run) -> list[str]:
    """The states of the run's tasks."""
    return [task["state"] for id, task in flower.tasks().items() if id.startswith(run.id)]


def parked(run: Run) -> Run:
    wait_until(lambda: run.refresh().status == "requires_action", "it is parked", 20)
    return run


def test_an_approval_is_forgotten(operator: Operator, workers: Workers) -> None:
    workers.start("careful")
    run = parked(Assistant.load("careful").enqueue('call refund {"order": 7}'))
    operator.look(log=workers.logs, RUN_ID=run.id)
    operator.cure(RUN_ID=run.id)
    assert run.wait(30).status == "completed"


def test_a_call_waits_for_an_output(operator: Operator, workers: Workers) -> None:
    workers.start("bot")
    run = parked(Assistant(name="shop", tools=[SEARCH]).enqueue("call search {}"))
    operator.look(log=workers.logs, RUN_ID=run.id)
    operator.cure(RUN_ID=run.id)
    assert run.refresh().status == "cancelled"
    assert completes(run.thread_id)


def test_the_process_of_a_call_was_lost(
    operator: Operator, workers: Workers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workers.start("bot")
    path = tmp_path / "notes"
    arguments = json.dumps({"path": str(path), "seconds": 60})
    lost = Script("-m", callers.__name__, f"call note_again {arguments}")
    run = Run.load(lost.line())
    wait_until(path.exists, "the function is called", 20)
    lost.kill()
    waiting = threading.Thread(target=run.wait, args=(40,))
    waiting.start()
    operator.look(log=lambda: caplog.text, RUN_ID=run.id)
    operator.cure()
    waiting.join()
    assert run.refresh().status == "completed"
    assert path.read_text().split() == [str(lost.pid), str(os.getpid())]
