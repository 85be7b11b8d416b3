"""Workers with different tools on one queue: a run goes to one that has its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.processes.worker import Workers
from tests.support.waiting import wait_until

from threadmill import Assistant
from threadmill_shared.tools import ToolSpec

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)


def published(name: str) -> ToolSpec | None:
    """A tool of the assistant that was published last."""
    return next((tool for tool in Assistant.load("misuse").tools if tool.name == name), None)


def test_runs_are_executed_by_the_worker_that_has_their_tool_whoever_takes_them_first(
    workers: Workers,
) -> None:
    workers.start("misuse")
    [able] = workers.start("misuse", HALF="right")
    right = wait_until(lambda: published("right"), "the tool is published")
    assistant = Assistant("right", tools=[right])

    runs = [assistant.enqueue("call right {}") for _ in range(12)]

    for run in runs:
        assert run.wait(20).status == "completed"
        assert [call.output for step in run.steps for call in step.tool_calls] == ["right"]
        assert run.worker == able.name
        assert "threadmill.run.takeover" not in {event.event for event in run.events()}
    assert max(run.attempt for run in runs) == 2  # some were taken by the other one first


def test_a_run_whose_tools_are_spread_over_workers_goes_to_and_fro_only_for_its_calls(
    workers: Workers,
) -> None:
    workers.start("toolbox")
    workers.start("careful")
    tools = {t.name: t for name in ("toolbox", "careful") for t in Assistant.load(name).tools}
    assistant = Assistant(tools=[tools[name] for name in ("show_int", "count_calls", "look_up")])

    run = assistant.enqueue('call look_up {"order": 7} call show_int {"value": 7}').wait(20)

    assert run.status == "completed"
    [last] = [step for step in run.steps if step.type == "message_creation"]
    assert last.status == "completed"
    outputs = [c.output or "" for s in run.steps for c in s.tool_calls if c.output is not None]
    assert any(output.startswith("7 looked up by") for output in outputs)
    assert "int 7" in outputs
    assert run.attempt <= 3


def test_a_call_that_is_to_be_repeated_is_not_said_to_be_unknown_where_its_tool_is_not(
    workers: Workers, tmp_path: Path
) -> None:
    workers.start("toolbox", THREADMILL_WORKER_WAIT_SECONDS="0")
    workers.start("dangerous")
    tools = {t.name: t for name in ("toolbox", "dangerous") for t in Assistant.load(name).tools}
    assistant = Assistant(tools=[tools[name] for name in ("show_int", "fail", "die_again")])

    context = {"notes": str(tmp_path / "notes")}
    run = assistant.enqueue("call die_again {}", context=context).wait(30)

    assert run.status == "failed"
    assert run.last_error is not None
    assert "no live worker has its function" in run.last_error.message
