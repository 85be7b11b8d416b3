"""Sync tools that never return keep their threads, but not the room of other users' calls."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.environment import embedded_environment
from tests.support.paths import SCRIPTS
from tests.support.processes.commands import STRICT, run_command
from tests.support.processes.worker import Worker, Workers
from tests.support.provider_requests import is_speaking
from tests.support.waiting import wait_until

from threadmill import Assistant, Run
from threadmill.testing import Pause, Reply, StandIn, Text, converse
from threadmill_shared.records.workers import REPLACE_CODE
from threadmill_shared.tools.threads import LEAST_SPARE

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes"
    path.touch()
    return path


def begin(text: str, notes: Path) -> Run:
    return Assistant.load("dangerous").enqueue(text, context={"notes": str(notes)})


def begin_stuck(notes: Path, count: int = 1) -> Run:
    return begin('call dawdle {"seconds": 3599.5} ' * count, notes)


def outputs(run: Run) -> list[str]:
    return [call.output or "" for step in run.steps for call in step.tool_calls]


def exits_with(worker: Worker) -> int:
    wait_until(worker.has_ended, "the worker has ended", 20)
    return worker.exit_code


def test_two_stuck_calls_do_not_delay_a_third(workers: Workers, notes: Path) -> None:
    [worker] = workers.start("dangerous", THREADMILL_TOOL_THREADS="2", THREADMILL_TOOL_SECONDS="1")
    stuck = [begin_stuck(notes) for _ in range(2)]
    for run in stuck:
        assert run.wait(20).status == "completed"
    other = begin('call remember {"word": "tea"}', notes).wait(20)
    assert outputs(other) == ["remembered tea"]
    wait_until(lambda: worker.log().count("nobody waits for tool dawdle") == 2, "both are named")
    assert all(f" of {run.id}, begun " in worker.log() for run in stuck)
    assert "3599.5" not in worker.log()


def test_a_worker_with_too_many_stuck_calls_drains_and_is_replaced(
    workers: Workers, notes: Path, standin: StandIn
) -> None:
    pause = Pause(after_tokens=10)
    tale = Reply([Text([f"{number} " for number in range(20)])], pause=pause)
    standin.brain = lambda r: tale if r.last_user_text == "Long" else converse(r)
    [worn] = workers.start(
        "dangerous",
        THREADMILL_TOOL_THREADS=str(LEAST_SPARE),
        THREADMILL_TOOL_SECONDS="1",
        THREADMILL_DRAIN_SECONDS="60",
    )
    long = begin("Long", notes)
    standin.wait_until(is_speaking)
    stuck = begin_stuck(notes, LEAST_SPARE)
    wait_until(lambda: "told to stop" in worn.log(), "the worker drains", 30)
    late = [begin('call remember {"word": "tea"}', notes) for _ in range(3)]
    assert stuck.wait(20).status == "completed"  # a run in progress is let end
    pause.end()
    assert (long.wait(20).status, long.attempt) == ("completed", 1)
    assert exits_with(worn) == REPLACE_CODE
    assert f"{LEAST_SPARE} tool calls still run in threads of this worker" in worn.log()
    assert f"nobody waits for them (dawdle {LEAST_SPARE})" in worn.log()

    workers.start("dangerous")
    assert [outputs(run.wait(20)) for run in late] == [["remembered tea"]] * 3
    noted = notes.read_text().splitlines()
    assert sum(line.startswith("begin:dawdle") for line in noted) == LEAST_SPARE
    assert sum(line.startswith("begin:tea") for line in noted) == 3


def test_what_a_replaced_worker_cannot_end_goes_to_another_one(
    workers: Workers, notes: Path, standin: StandIn
) -> None:
    pause = Pause(after_tokens=10)
    tale = Reply([Text([f"{number} " for number in range(20)])], pause=pause)
    standin.brain = lambda r: tale if r.last_user_text == "Long" else converse(r)
    [worn] = workers.start(
        "dangerous",
        THREADMILL_TOOL_THREADS=str(LEAST_SPARE),
        THREADMILL_TOOL_SECONDS="1",
        THREADMILL_DRAIN_SECONDS="0",
    )
    long = begin("Long", notes)
    standin.wait_until(is_speaking)
    stuck = begin_stuck(notes, LEAST_SPARE)
    assert exits_with(worn) == REPLACE_CODE
    pause.end()
    workers.start("dangerous")
    assert (long.wait(20).status, long.attempt) == ("completed", 2)
    assert stuck.wait(20).status == "completed"
    assert notes.read_text().count("begin:dawdle") == LEAST_SPARE


def begin_busy(notes: Path) -> Run:
    """A run whose calls need all threads, and are within their time."""
    run = begin('call dawdle {"seconds": 60} ' * LEAST_SPARE, notes)
    wait_until(lambda: notes.read_text().count("begin:dawdle") == LEAST_SPARE, "all are called")
    return run


def test_a_worker_that_was_frozen_goes_on_although_all_its_threads_were_busy(
    workers: Workers, notes: Path
) -> None:
    [frozen] = workers.start("dangerous", THREADMILL_TOOL_THREADS=str(LEAST_SPARE))
    busy = begin_busy(notes)
    [other] = workers.start("dangerous")
    frozen.freeze()
    assert busy.wait(30).status == "completed"
    frozen.thaw()
    wait_until(lambda: "was declared dead" in frozen.log(), "it sees what has happened", 20)
    other.kill()
    late = begin('call remember {"word": "tea"}', notes).wait(20)
    assert (outputs(late), late.worker) == (["remembered tea"], frozen.name)
    assert "still run in threads" not in frozen.log()


def test_a_worker_that_is_told_to_stop_while_its_threads_are_busy_is_not_worn(
    workers: Workers, notes: Path
) -> None:
    [worker] = workers.start(
        "dangerous", THREADMILL_TOOL_THREADS=str(LEAST_SPARE), THREADMILL_DRAIN_SECONDS="0"
    )
    begin_busy(notes)
    worker.terminate()
    assert exits_with(worker) == 0
    assert "still run in threads" not in worker.log()


def test_an_embedded_worker_does_not_end_its_script(environment: None, tmp_path: Path) -> None:
    settings = {
        "THREADMILL_TOOL_THREADS": str(LEAST_SPARE),
        "THREADMILL_TOOL_SECONDS": "1",
    }
    script = run_command(
        *STRICT,
        str(SCRIPTS / "hanging.py"),
        folder=tmp_path,
        environment=embedded_environment() | settings,
    )
    assert (script.returncode, script.stdout) == (0, "Hello from the tool\n"), script.stderr
    assert f"{LEAST_SPARE} tool calls still run in threads of this process" in script.stderr
