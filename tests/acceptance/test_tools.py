"""Tools as a worker executes them: at the same time, with checked arguments, and to the end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.acceptance.conftest import Lasting
from tests.support.processes.worker import Workers
from tests.support.provider_requests import tool_outputs

from threadmill import Assistant, Run, Thread
from threadmill.testing import Record, Reply, Request, StandIn, converse


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    """One worker, whose tools have a process in common."""
    lasting.workers.start("toolbox")


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


def say(text: str, thread: Thread | None = None) -> Run:
    """The stand-in makes the calls that the text spells out, all in one turn."""
    toolbox = Assistant.load("toolbox")
    return toolbox.say(text, thread=thread or Thread(), event_handler_class=None, timeout=30)


def call(name: str, **arguments: Any) -> str:
    return f"call {name} {json.dumps(arguments)}"


def outputs_of(standin: StandIn, *calls: str) -> list[str]:
    """What the model is told about these calls, in its next request."""
    standin.forget()
    assert say(" ".join(calls)).status == "completed"
    [_, told] = standin.requests
    return tool_outputs(told)


def pause(requests: list[Record]) -> float:
    """Seconds between the model's wish for calls and its next request."""
    first, second = requests
    assert first.ended_at is not None
    return second.begun_at - first.ended_at


@pytest.mark.quiet
def test_an_async_and_a_blocking_call_of_one_turn_run_at_the_same_time(standin: StandIn) -> None:
    calls = [call("wait_on_loop", seconds=0.6), call("wait_in_thread", seconds=0.6)]
    outputs = outputs_of(standin, *calls)
    assert sorted(outputs) == ["waited in a thread", "waited on the loop"]
    assert 0.6 <= pause(standin.requests) < 1.0


def test_arguments_arrive_as_what_the_function_is_annotated_with(standin: StandIn) -> None:
    assert outputs_of(standin, call("show_int", value="40")) == ["int 40"]
    address = {"street": "High Street", "number": "7"}
    told = outputs_of(standin, call("show_address", address=address))
    assert told == ["Address High Street 7"]


WRONG = {
    call("show_int", value="many"): "value",
    call("show_int", value=1, colour="red"): "colour",
    call("show_address", address={"street": "High Street"}): "number",
    'call show_int {"value": ': "JSON",
}
"""Wrong calls, and what the model is to be told of."""


def test_the_model_reads_what_is_wrong_with_its_arguments_and_nothing_is_called(
    standin: StandIn,
) -> None:
    ints, addresses = counts(standin)
    for wrong, named in WRONG.items():
        [told] = outputs_of(standin, wrong)
        assert told.startswith("Error: ")
        assert named in told
    assert counts(standin) == (ints, addresses)
    assert outputs_of(standin, call("show_int", value=1)) == ["int 1"]
    assert counts(standin) == (ints + 1, addresses)


def counts(standin: StandIn) -> tuple[int, ...]:
    """How often the two tools were called."""
    # One after the other: calls of one turn are told in the order in which they end.
    calls = [call("count_calls", of=tool) for tool in ("show_int", "show_address")]
    return tuple(int(*outputs_of(standin, one)) for one in calls)


ENDS = {"end_by_raise": {"won": 3}, "end_by_return": {"won": 3}, "end_by_token": None}


def test_a_tool_ends_its_run_in_three_ways_and_the_thread_is_usable_at_once(
    standin: StandIn,
) -> None:
    for end, data in ENDS.items():
        thread = Thread()
        standin.forget()
        # The other call is interrupted; without an output, the provider would refuse what follows.
        ended = say(f"{call('wait_on_loop', seconds=20)} {call(end)}", thread)
        assert (ended.status, ended.data) == ("cancelled", data)
        assert len(standin.requests) == 1
        after = say("And now?", thread)
        assert after.status == "completed"
        assert len(tool_outputs(standin.requests[-1])) == 2


def test_a_tool_cannot_say_on_the_thread_of_its_own_run(standin: StandIn) -> None:
    thread = Thread()
    calls = [call("say_here", text="Hello?"), call("say_here_async", text="Hello?")]
    run = say(" ".join(calls), thread)
    assert tool_outputs(standin.requests[-1]) == [f"ThreadLocked by {run.id}"] * 2
    assert [message.role for message in thread.get_messages()] == ["user", "assistant"]


def test_nor_can_the_tools_of_the_runs_that_it_waits_for(standin: StandIn) -> None:
    run = say(call("have_it_said_back"))
    assert tool_outputs(standin.requests[-1]) == [f"ThreadLocked by {run.id}"]


def answer_inner(request: Request) -> Reply | str:
    return "inner answer" if request.last_user_text == "Inner" else converse(request)


def test_a_tool_says_on_another_thread_without_a_slot_of_its_own(
    workers: Workers, standin: StandIn
) -> None:
    workers.start("toolbox", THREADMILL_CONCURRENCY="1")
    standin.brain = answer_inner
    calls = [call("say_elsewhere", text="Inner"), call("say_elsewhere_async", text="Inner")]
    run = say(" ".join(calls))
    assert tool_outputs(standin.requests[-1]) == ["inner answer"] * 2
    assert run.attempt == 1
