"""What must not stop a worker, lose a run or pass it on for ever."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import redis
from tests.acceptance.conftest import Lasting
from tests.support.environment import embedded_environment
from tests.support.processes.commands import run_script
from tests.support.processes.worker import Worker, Workers
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.embedded.server import FOLDER, end_server
from threadmill.testing import StandIn
from threadmill_shared.broker.app import make_app
from threadmill_shared.settings import Settings
from threadmill_shared.tools import ToolSpec

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)


@pytest.fixture(scope="module")
def worker(lasting: Lasting) -> Worker:
    """One worker that all of this happens to."""
    [worker] = lasting.workers.start("misuse", THREADMILL_WORKER_WAIT_SECONDS="0")
    return worker


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


def say(text: str, thread: Thread | None = None) -> Run:
    assistant = Assistant.load("misuse")
    return assistant.say(text, thread=thread or Thread(), event_handler_class=None, timeout=30)


@pytest.mark.usefixtures("worker")
def test_an_async_tool_that_blocks_its_loop_gets_an_error_and_the_worker_goes_on() -> None:
    run = say("call block_the_loop {}")
    [made] = [call for step in run.steps for call in step.tool_calls]
    assert made.failed
    assert "must not block" in (made.output or "")


@pytest.mark.usefixtures("worker")
def test_a_run_that_a_tool_started_goes_on_when_the_tools_own_run_has_ended() -> None:
    run = say("call start_and_leave {}")
    [made] = [call for step in run.steps for call in step.tool_calls]
    assert Run.load(made.output or "").wait(20).status == "completed"


@pytest.mark.parametrize("arguments", [["bogus"], [], ["run_", "twice"], [{"a": 1}]])
def test_a_malformed_run_message_does_not_end_the_worker(
    worker: Worker, arguments: list[object]
) -> None:
    before = worker.log()
    make_app(Settings()).send_task("threadmill.execute", arguments, queue="threadmill")
    wait_until(
        lambda: "was dropped: it is malformed" in worker.log_since(before),
        "the message was refused",
    )
    assert say("Hello!").status == "completed"


@pytest.mark.parametrize("queue", ["threadmill", "threadmill.begun", "threadmill.door"])
def test_what_is_no_message_at_all_does_not_end_the_worker(worker: Worker, queue: str) -> None:
    before = worker.log()
    with redis.Redis.from_url(os.environ["THREADMILL_REDIS_URL"]) as broker:
        broker.lpush(queue, "no message at all")
    wait_until(lambda: "restarting it" in worker.log_since(before), "the consumer starts again")
    assert say("Hello!").status == "completed"
    assert "no message at all" not in worker.log()
    assert not worker.has_ended()


def test_a_run_whose_tools_no_worker_has_together_goes_on_where_the_called_one_is(
    workers: Workers,
) -> None:
    workers.start("misuse")
    left = next(tool for tool in Assistant.load("misuse").tools if tool.name == "left")
    workers.start("misuse", HALF="right")
    right = wait_until(lambda: _tool("right"), "the other half is published")
    both = Assistant("both", tools=[left, right])
    greeted = both.enqueue("Hello!").wait(20)
    assert (greeted.status, greeted.attempt) == ("completed", 1)

    called = both.enqueue("call left {} call right {}").wait(20)
    assert called.status == "completed"
    made = [c for step in called.steps for c in step.tool_calls if c.output is not None]
    assert sorted(call.output or "" for call in made) == ["left", "right"]
    assert called.attempt == 2


def test_a_tool_whose_function_nobody_has_is_an_error_when_it_is_called(
    worker: Worker, standin: StandIn
) -> None:
    gone = ToolSpec(
        name="gone",
        parameters={"type": "object", "properties": {}},
        identity="bot:gone",
        digest="0",
    )
    assistant = Assistant("forgetful", tools=[gone])
    assert assistant.enqueue("Hello!").wait(20).status == "completed"
    run = assistant.enqueue("call gone {}").wait(20)
    assert (run.status, run.last_error and run.last_error.name) == ("failed", "ToolNotFound")
    assert "no live worker has its function (bot:gone)" in str(run.last_error)
    assert not worker.has_ended()


def _tool(name: str) -> ToolSpec | None:
    return next((tool for tool in Assistant.load("misuse").tools if tool.name == name), None)


def test_a_worker_that_drains_lets_a_tool_end_and_gives_a_stream_back(workers: Workers) -> None:
    [first] = workers.start("toolbox", THREADMILL_DRAIN_SECONDS="0")
    toolbox = Assistant.load("toolbox")
    calling = toolbox.enqueue('call wait_in_thread {"seconds": 1.5}')
    wait_until(lambda: calling.refresh().steps, "the tool is called")
    os.kill(first.pid, signal.SIGTERM)
    assert first.ends()
    workers.start("toolbox")
    calling.wait(30)
    [made] = [c for step in calling.steps for c in step.tool_calls if c.output is not None]
    assert made.output == "waited in a thread"
    assert calling.status == "completed"


def test_what_a_script_left_unfinished_does_not_hold_up_the_next_one_in_its_folder(
    environment: None, tmp_path: Path
) -> None:
    try:
        alone = embedded_environment()
        run_script("leave", folder=tmp_path, environment=alone)
        printed = run_script("come_after", folder=tmp_path, environment=alone)
        assert printed.endswith("completed ['completed', 'completed']\n")
    finally:
        end_server(tmp_path / FOLDER)
