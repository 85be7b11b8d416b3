"""A call that a caller forces is forced once, whoever executes the run; the provider obeys."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.processes.worker import Workers
from tests.support.waiting import wait_until

from threadmill import Assistant, CodeInterpreter, Run, Thread
from threadmill.testing import Answer, Call, Code, Fault, Reply, Request, StandIn, Text

FUNCTION = {"type": "function", "function": {"name": "look_up"}}


def obeying(*calls: Call | Code, then: Answer | str = "Done.") -> Any:
    """A provider that calls whenever it is forced to, and answers only if it may."""
    later: list[Answer | str] = [then]

    def brain(request: Request) -> Answer | str:
        if request.tool_choice not in (None, "auto", "none"):
            return Reply([*calls])
        return later.pop(0) if len(later) > 1 else later[0]

    return brain


def enqueue(choice: Any, **options: Any) -> Run:
    assistant = Assistant.load("careful")
    return assistant.enqueue("Go on.", thread=Thread(), tool_choice=choice, **options)


def choices(standin: StandIn) -> list[Any]:
    """What each request has said about tools."""
    return [request.body.get("tool_choice") for request in standin.requests]


def calls_of(run: Run) -> list[str]:
    return [call.name for step in run.steps for call in step.tool_calls]


@pytest.mark.parametrize("choice", ["required", "look_up", FUNCTION])
def test_a_forced_call_is_made_once_and_then_the_model_may_answer(
    workers: Workers, standin: StandIn, choice: Any
) -> None:
    workers.start("careful")
    standin.brain = obeying(Call("look_up", {"order": 1}))
    run = enqueue(choice).wait(20)
    assert (run.status, run.text, calls_of(run)) == ("completed", "Done.", ["look_up"])
    assert choices(standin)[1:] == ["auto"]

    standin.forget()
    again = enqueue(choice).wait(20)  # the next run is forced anew
    assert (again.status, calls_of(again)) == ("completed", ["look_up"])
    assert choices(standin)[1:] == ["auto"]


@pytest.mark.parametrize("choice", ["none", "auto", None])
def test_what_forces_nothing_stays_as_it_is(
    workers: Workers, standin: StandIn, choice: str | None
) -> None:
    workers.start("careful")
    # No provider calls a tool if it must not.
    first = "Well." if choice == "none" else Reply([Call("look_up", {"order": 1})])
    standin.brain = lambda request: "Done." if len(standin.requests) > 1 else first
    assert enqueue(choice).wait(20).status == "completed"
    assert set(choices(standin)) == {choice}


@pytest.mark.parametrize("api", ["responses"], indirect=True)
def test_a_forced_call_that_is_approved_is_not_forced_again(
    workers: Workers, standin: StandIn
) -> None:
    workers.start("careful")
    standin.brain = obeying(Call("refund", {"order": 7}))
    run = enqueue("refund")
    wait_until(lambda: run.refresh().required_action, "the call waits for an approval")
    assert run.required_action is not None
    run.approve(run.required_action.tool_calls[0].id)
    assert run.wait(20).status == "completed"
    assert (calls_of(run), choices(standin)[1:]) == (["refund"], ["auto"])


@pytest.mark.parametrize("api", ["responses"], indirect=True)
def test_a_worker_that_takes_a_run_over_forces_no_call_again(
    workers: Workers, standin: StandIn
) -> None:
    [first] = workers.start("careful")
    silent_once = obeying(Call("look_up", {"order": 1}), then=Fault.hang(0))
    standin.brain = silent_once
    run = enqueue("required")
    wait_until(lambda: len(standin.requests) == 2, "the model is asked about the output")
    standin.brain = obeying(Call("look_up", {"order": 1}))
    workers.start("careful")
    first.kill()
    assert run.wait(20).status == "completed"
    assert (calls_of(run), choices(standin)[1:]) == (["look_up"], ["auto", "auto"])


@pytest.mark.parametrize("api", ["responses"], indirect=True)
def test_code_that_was_forced_is_not_forced_again_when_its_turn_is_repeated(
    workers: Workers, standin: StandIn
) -> None:
    workers.start("bot", THREADMILL_MODEL_RETRIES="3")
    broken = Fault.drop(9, reply=Reply([Code("print(1)", logs="1"), Text("word " * 20)]))
    standin.brain = lambda request: "One." if request.tool_choice == "auto" else broken
    ai = Assistant(name="plain", tools=[CodeInterpreter])
    run = ai.enqueue("Count.", thread=Thread(), tool_choice="code_interpreter").wait(20)
    assert (run.status, run.text) == ("completed", "One.")
    assert choices(standin) == [{"type": "code_interpreter"}, "auto"]
