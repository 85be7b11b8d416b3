"""Models of the Responses API that name the phase of each message, and want it back."""

from __future__ import annotations

from typing import Any

import pytest
from tests.acceptance.conftest import Lasting

from threadmill import Assistant, Thread
from threadmill.testing import Call, Reply, StandIn, Text, scripted

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    lasting.workers.start("toolbox")


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


def phases(standin: StandIn) -> list[Any]:
    items = standin.requests[-1].items
    return [item.get("phase") for item in items if item.get("role") == "assistant"]


def test_phases_go_back_to_the_model_that_named_them_and_to_no_other(standin: StandIn) -> None:
    def add(a: int, b: int) -> int:
        return a + b

    standin.brain = scripted(
        Reply([Text("Let me see.", phase="commentary"), Call("add", {"a": 1, "b": 2})]),
        Reply([Text("It is 3.", phase="final_answer")]),
        "You are welcome.",
        "And you.",
    )
    ai, thread = Assistant(tools=[add]), Thread()

    def say(text: str, **options: Any) -> None:
        run = ai.say(text, thread=thread, event_handler_class=None, timeout=30, **options)
        assert run.status == "completed"

    say("1 + 2?")
    assert phases(standin) == ["commentary"]
    say("Thank you")
    assert phases(standin) == ["commentary", "final_answer"]
    say("Bye", model="gpt-4o")
    assert phases(standin) == [None, None, None]
