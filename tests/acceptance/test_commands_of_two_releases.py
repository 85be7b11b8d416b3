"""The commands that look, on a store of which the last release is the worker and the producer."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from tests.support.paths import ROOT
from tests.support.processes.celery_client import say_task, send_tasks
from tests.support.processes.commands import run_threadmill
from tests.support.processes.last_release import last_release
from tests.support.processes.worker import Worker, Workers
from tests.support.waiting import wait_until

from threadmill import Run, Thread
from threadmill.testing import Pause, Reply, StandIn, Text

pytestmark = [pytest.mark.parametrize("api", ["responses"], indirect=True), pytest.mark.apart]


@pytest.fixture
def old_worker(workers: Workers, tmp_path: Path) -> Worker:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPATH")  # this release's packages may be in it
        python = last_release(tmp_path / "last")
    [worker] = workers.start("bot", python=python, PYTHONPATH=str(ROOT))
    return worker


def objects(*words: str) -> list[dict[str, Any]]:
    done = run_threadmill(*words, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def say(key: str) -> Run:
    """A run that the last release's worker has enqueued, too."""
    thread = Thread(key=key)
    send_tasks(say_task(str(uuid.uuid4()), assistant="plain", message="Hello", thread_key=key))
    [run] = wait_until(thread.runs, "the run is enqueued", 20)
    return run


def test_what_the_last_release_does_is_shown_as_far_as_it_is_stored(
    old_worker: Worker, standin: StandIn
) -> None:
    done = say("done").wait(20)
    pause = Pause(after_tokens=1)
    standin.brain = lambda _: Reply([Text(["a ", "b "])], pause=pause)
    running = say("running")
    wait_until(lambda: running.refresh().status == "in_progress", "it is executed", 20)

    [worker] = objects("workers")
    assert (worker["worker"], worker["condition"]) == (old_worker.name, "alive")
    assert (worker["running"], worker["slots"], worker["version"]) == (1, None, None)
    [fleet] = objects("status")
    assert (fleet["runs"]["in_progress"], fleet["providers"]) == (1, [])
    assert fleet["lists_are_incomplete"]
    assert "1 in progress" in run_threadmill("status").stdout
    [assistant] = objects("assistants")
    assert (assistant["name"], assistant["is_stale"]) == ("plain", None)
    assert objects("tools") == []

    [shown] = objects("show", done.id)
    assert (shown["status"], shown["assistant"], shown["attempts"]) == ("completed", "plain", 1)
    assert shown["duration_seconds"] is not None
    assert objects("show", running.id)[0]["status"] == "in_progress"
    [listed] = objects("runs", done.thread_id)
    assert (listed["id"], listed["status"]) == (done.id, "completed")
    said = run_threadmill("runs").stderr
    assert "There may be more runs: a worker of an earlier release is alive" in said
    told = objects("tail", done.id)
    assert all(one["at"] for one in told)
    assert told[-1]["event"] == "done"
    assert objects("health")[0]["workers"] == [old_worker.name]
    pause.end()
    running.wait(20)
