"""The format of a worker's log, and the fields of its lines."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.environment import embedded_environment
from tests.support.paths import BOTS
from tests.support.processes.commands import STRICT, run_command, run_threadmill
from tests.support.processes.worker import Worker, Workers
from tests.support.waiting import wait_until

from threadmill import Assistant, Run
from threadmill.testing import StandIn

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

DEBUG = ("--log-level", "DEBUG")
CONSOLE_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z]+ [\w.]+: .* worker=\S+:\d+")


@pytest.fixture
def worker(workers: Workers, tmp_path: Path) -> Iterator[Worker]:
    """A worker that logs JSON."""
    started = Worker(
        tmp_path / "json.log",
        ("talkative",),
        BOTS,
        {"THREADMILL_LOG_FORMAT": "json"},
        options=DEBUG,
    )
    try:
        wait_until(lambda: " ready: " in started.log(), "it is ready", 30)
        yield started
    finally:
        started.terminate()
        assert started.ends()
        print(started.log())


def entries(log: str) -> list[dict[str, Any]]:
    """The lines of a log, each of which is an object."""
    found = [json.loads(line) for line in log.splitlines()]
    assert all(isinstance(entry, dict) for entry in found)
    return found


def call_tools(*names: str) -> Run:
    """A run that calls these tools and has ended."""
    calls = " ".join(f"call {name} {{}}" for name in names)
    return Assistant.load("the clerk").enqueue(calls).wait(20)


def test_each_line_is_an_object_and_names_the_run_wherever_a_tool_logs(worker: Worker) -> None:
    for name in ("order", "pay"):
        run = call_tools(name)
        assert run.status == "completed"
        found = [entry for entry in entries(worker.log()) if entry["logger"] == "shop"]
        mine = [entry for entry in found if entry.get("run") == run.id]
        assert len(mine) == {"order": 2, "pay": 3}[name]
        for entry in mine:
            assert entry["thread"] == run.thread_id
            assert entry["assistant"] == "the clerk"
            assert entry["attempt"] == 1
            assert entry["level"] == "WARNING"
    names = {entry["worker"] for entry in entries(worker.log())}
    assert names == {run.worker}
    [extra] = [entry for entry in entries(worker.log()) if "order" in entry]
    assert (extra["order"], extra["message"]) == (7, "a tool's thread\nand a second line")


def test_errors_of_tools_are_single_lines_without_what_was_said(worker: Worker) -> None:
    run = call_tools("fail")
    call_tools("forget")
    wait_until(lambda: "never retrieved" in worker.log(), "the lost task")
    found = [entry for entry in entries(worker.log()) if "traceback" in entry]
    by_logger = {entry["logger"]: entry for entry in found}
    assert by_logger["shop"]["traceback"].startswith("Traceback (most recent call last):")
    ours = [entry for entry in found if entry["logger"] != "shop"]
    assert len(ours) == 3, [entry["message"] for entry in found]
    for entry in ours:
        assert "canary" not in entry["message"]
        assert not re.search(r"threadmill_(shared|workers)/", entry["traceback"])
    [failed] = [entry for entry in ours if "KeyError" in entry["message"]]
    assert failed["run"] == run.id
    assert failed["traceback"].count("Traceback") == 1
    assert "raise KeyError(secret)" in failed["traceback"]
    assert "During handling" not in failed["traceback"]
    assert "after ValueError at " in failed["traceback"]


def test_an_error_in_a_callback_is_told_without_its_arguments(worker: Worker) -> None:
    run = call_tools("call_back_late")
    found = [one for one in entries(worker.log()) if "on the event loop" in one["message"]]
    assert [one["message"] for one in found] == [
        "on the event loop: Exception in callback (ValueError)"
    ] * 2
    for entry in found:
        assert entry["run"] == run.id
        assert "raise ValueError(secret)" in entry["traceback"]


def test_lines_for_people_have_their_ids_at_the_end(workers: Workers) -> None:
    [worker] = workers.start("talkative", options=DEBUG)
    run = call_tools("order")
    call_tools("fail")
    lines = worker.log().splitlines()
    [told] = [line for line in lines if "a thread of its own" in line]
    ids = f'run={run.id} thread={run.thread_id} assistant="the clerk" attempt=1'
    assert told.endswith(f"a thread of its own  {ids} worker={worker.name}")
    records = [line for line in lines if not line.startswith(("    ", f"worker {worker.name}"))]
    assert [line for line in records if not CONSOLE_LINE.fullmatch(line)] == []


def test_libraries_are_silent_at_debug(worker: Worker) -> None:
    call_tools("order")
    time.sleep(1)
    loggers = {entry["logger"] for entry in entries(worker.log())}
    assert {name for name in loggers if not name.startswith(("threadmill", "shop"))} == set()


CONFIGURED = """
import logging.config
FORMATTER = "threadmill_workers.logs.formats.JsonFormatter"
HANDLER = {{"class": "logging.StreamHandler", "formatter": "json"}}
logging.config.dictConfig({{
    "version": 1,
    "formatters": {{"json": {{"()": FORMATTER}}}},
    "handlers": {{"stderr": HANDLER}},
    "root": {{"level": "INFO", "handlers": ["stderr"]}},
}})
{more}
"""


def test_a_module_that_sets_up_logging_does_not_silence_threadmill(
    workers: Workers, tmp_path: Path
) -> None:
    tool = """
from threadmill import Assistant
def fail() -> str:
    raise KeyError("canary")
clerk = Assistant(name="the clerk", tools=[fail])
"""
    (tmp_path / "configured.py").write_text(CONFIGURED.format(more=tool))
    [worker] = workers.start("configured", folder=tmp_path)
    run = call_tools("fail")
    lines = [line for line in worker.log().splitlines() if "failed in call" in line]
    [failed] = [json.loads(line) for line in lines]
    assert (failed["run"], failed["worker"]) == (run.id, worker.name)


def test_the_error_of_a_module_that_sets_up_logging_is_told(
    environment: None, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text(CONFIGURED.format(more="1 / 0"))
    done = run_command(
        *STRICT,
        *("-m", "threadmill", "worker", "broken"),
        folder=tmp_path,
        environment={**os.environ, "THREADMILL_LOG_FORMAT": "json"},
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in str(entries(done.stderr))


def test_an_unknown_format_is_refused(environment: None, standin: StandIn) -> None:
    done = run_threadmill("worker", "bot", THREADMILL_LOG_FORMAT="xml")
    assert done.returncode == 1
    assert "THREADMILL_LOG_FORMAT: Input should be 'console' or 'json'" in done.stderr
    assert done.stderr.count("\n") == 1


SCRIPT = """
import logging, os
from threadmill import Assistant, tool
if "OWN" in os.environ:
    logging.basicConfig(format="own: %(message)s")
@tool
def fail() -> str:
    raise KeyError("canary")
Assistant(name="clerk", tools=[fail]).say("call fail {}")
"""


@pytest.mark.parametrize("own", [True, False])
def test_an_embedded_worker_logs_in_the_format_unless_the_script_has_its_own(
    own: bool, environment: None, tmp_path: Path
) -> None:
    settings = {"THREADMILL_LOG_FORMAT": "json"} | ({"OWN": "1"} if own else {})
    done = run_command(
        *STRICT, "-c", SCRIPT, folder=tmp_path, environment=embedded_environment() | settings
    )
    assert done.returncode == 0, done.stderr
    if own:
        assert "own: tool fail failed in call" in done.stderr
        assert "Traceback" not in done.stderr
    else:
        [failed] = [line for line in entries(done.stderr) if "failed in call" in line["message"]]
        assert failed["assistant"] == "clerk"
        assert failed["traceback"].endswith("in fail\nKeyError")
