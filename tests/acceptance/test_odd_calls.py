"""Calls as models write them that do not keep to what they were told of their tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.acceptance.conftest import Lasting
from tests.support.provider_requests import tool_outputs
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.testing import Call, Record, Reply, StandIn, Text

EXTERNAL = {
    "type": "function",
    "function": {
        "name": "measure",
        "description": "Measure it.",
        "parameters": {"type": "object", "properties": {"grams": {"type": "number"}}},
    },
}
Ask = Callable[..., Run]


@pytest.fixture(scope="module")
def _worker(lasting: Lasting) -> None:
    lasting.workers.start("careful")


@pytest.fixture
def standin(lasting: Lasting, _worker: None) -> StandIn:
    return lasting.fresh_standin()


@pytest.fixture
def ask(standin: StandIn) -> Ask:
    """Have the model make these calls, and then answer; twice, so that they go back."""

    def play(*calls: Call, **options: Any) -> Run:
        turns = iter([Reply(calls), Reply([Text("Done.")]), Reply([Text("Bye.")])])
        standin.brain = lambda _: next(turns)
        thread = Thread()
        run = Assistant.load("careful").enqueue("Go!", thread=thread, **options).wait(20)
        assert (run.status, run.last_error) == ("completed", None)
        assert Assistant.load("careful").enqueue("Bye!", thread=thread).wait(20).text == "Bye."
        return run

    return play


def shown(run: Run) -> list[tuple[str, str]]:
    """Names and arguments of the calls that a user sees."""
    return [(call.name, call.arguments) for step in run.steps for call in step.tool_calls]


def names_sent(record: Record) -> list[str]:
    if record.api == "responses":
        return [i["name"] for i in record.items if i.get("type") == "function_call"]
    calls = [call for item in record.items for call in item.get("tool_calls") or ()]
    return [call["function"]["name"] for call in calls]


def test_a_tool_that_is_meant_is_called_and_shown_and_sent_back_by_its_own_name(
    ask: Ask, standin: StandIn
) -> None:
    written = ["functions.look_up", "look_up<|channel|>commentary", ' "look_up" ', "look_up()"]
    run = ask(*(Call(name, {"order": number}) for number, name in enumerate(written)))
    assert [name for name, _ in shown(run)] == ["look_up"] * 4
    assert names_sent(standin.requests[-1]) == ["look_up"] * 4
    outputs = tool_outputs(standin.requests[-1])
    assert [" ".join(output.split()[:3]) for output in outputs] == [
        f"{number} looked up" for number in range(4)
    ]


def test_a_name_that_means_no_tool_is_told_with_those_that_there_are(
    ask: Ask, standin: StandIn
) -> None:
    ask(Call("web.look_up", {"order": 1}), Call("Look_Up", {"order": 1}), Call("", {"order": 1}))
    for output in tool_outputs(standin.requests[-1]):
        assert "there is no tool" in output
        assert "The tools are: refund, ship, pack, look_up." in output


MISTAKES = {
    '{"order": ': "cut off after 9 characters",
    "null": "not null",
    '{"order": NaN}': "NaN and Infinity are not JSON",
    '"{\\"order\\": 1}"': "not a text that contains one",
    "[1]": "not an array",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_arguments_that_are_no_object_are_told_and_nobody_is_asked_about_them(
    ask: Ask, standin: StandIn, arguments: str
) -> None:
    """Neither the worker's function, nor who approves, nor who answers calls of a schema."""
    names = ("look_up", "refund", "measure")
    run = ask(*(Call(name, arguments) for name in names), additional_tools=[EXTERNAL])
    assert shown(run) == [(name, arguments) for name in names]
    outputs = tool_outputs(standin.requests[1])
    assert len(outputs) == 3
    for name, output in zip(names, outputs, strict=True):
        assert output.startswith(f"Error: The arguments of {name} are not valid: ")
        assert MISTAKES[arguments] in output


def test_blank_arguments_are_an_empty_object(standin: StandIn) -> None:
    turns = iter([Reply([Call("measure", "")]), Reply([Text("Done.")])])
    standin.brain = lambda _: next(turns)
    ai = Assistant.load("careful")
    run = ai.enqueue("Go!", thread=Thread(), additional_tools=[EXTERNAL])
    wait_until(lambda: run.refresh().status == "requires_action", "it waits for the output")
    [call] = run.required_action.submit_tool_outputs.tool_calls
    assert call.function.arguments == "{}"
