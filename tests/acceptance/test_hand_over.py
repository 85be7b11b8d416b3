"""Workers with different tools on one queue: a run goes to one that has its own."""

from __future__ import annotations

import pytest
from tests.acceptance.processes import Workers
from tests.waiting import wait_until

from threadmill import Assistant
from threadmill_shared.tools import ToolSpec

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)


def published(name: str) -> ToolSpec | None:
    """A tool of the assistant that was published last."""
    return next((tool for tool in Assistant.load("mishaps").tools if tool.name == name), None)


def test_runs_are_executed_by_the_worker_that_has_their_tool_whoever_takes_them_first(
    workers: Workers,
) -> None:
    workers.start("mishaps")
    [able] = workers.start("mishaps", HALF="right")
    right = wait_until(lambda: published("right"), "the tool is published")
    assistant = Assistant("right", tools=[right])

    runs = [assistant.enqueue("call right {}") for _ in range(12)]

    for run in runs:
        assert run.wait(20).status == "completed"
        assert [call.output for step in run.steps for call in step.tool_calls] == ["right"]
        assert run.worker == able.name
        assert "threadmill.run.takeover" not in {event.event for event in run.events()}
    assert max(run.attempt for run in runs) == 2  # some were taken by the other one first
