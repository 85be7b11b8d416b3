"""A run waits until somebody approves a call, rejects it, or gives its output; from any process."""

from __future__ import annotations

import os

import pytest
from tests.acceptance.conftest import Lasting
from tests.support.processes.commands import run_threadmill
from tests.support.processes.worker import Worker
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread, errors, tool
from threadmill.client.current import close_client
from threadmill.testing import StandIn
from threadmill_shared.records.objects import RequiredCall, ToolCall

pytestmark = [
    pytest.mark.parametrize("api", ["responses"], indirect=True),
    pytest.mark.usefixtures("worker"),
]

LOOKUP = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Search the shop.",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}},
    },
}


@pytest.fixture(scope="module")
def worker(lasting: Lasting) -> Worker:
    [worker] = lasting.workers.start("careful")
    return worker


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


def parked(run: Run) -> list[RequiredCall]:
    """The calls that the run waits for, once it does."""

    def waiting() -> list[RequiredCall]:
        run.refresh()
        return run.required_action.tool_calls if run.required_action else []

    return wait_until(waiting, "the run is parked")


def careful(text: str, thread: Thread | None = None) -> Run:
    return Assistant.load("careful").enqueue(text, thread=thread)


def made(run: Run) -> list[ToolCall]:
    return [call for step in run.steps for call in step.tool_calls]


# ---- approvals -----------------------------------------------------------------------------------


def test_an_approved_call_is_executed_by_a_worker_and_the_run_goes_on(worker: Worker) -> None:
    run = careful('call refund {"order": 7}')
    [call] = parked(run)
    assert (call.function.name, call.waits_for) == ("refund", "approval")
    assert [c.output for c in made(run)] == [None]
    assert Run.load(run.id).approve(call.id).status != "requires_action"
    run.wait(20)
    assert (run.status, made(run)[0].output) == ("completed", f"7 refunded by {worker.pid}")
    names = [event.event for event in run.events()]
    assert names.count("threadmill.tool.approved") == 1
    assert names.count("thread.run.requires_action") == 1
    assert "threadmill.run.takeover" not in names
    assert [step.status for step in run.steps] == ["completed", "completed"]


def test_a_rejected_call_is_not_executed_and_the_model_is_told_why(standin: StandIn) -> None:
    run = careful('call refund {"order": 8}')
    [call] = parked(run)
    run.reject(call.id, "too much").wait(20)
    [refused] = made(run)
    assert (run.status, refused.failed) == ("completed", True)
    told = "Error: this call was rejected and not executed. Reason: too much"
    assert refused.output == told
    assert told in str(standin.requests[-1].body)


def test_the_event_that_says_that_a_run_waits_names_the_calls_as_the_assistants_api_does() -> None:
    run = careful('call refund {"order": 9}')
    [call] = parked(run)
    event = next(e for e in run.events() if e.event == "thread.run.requires_action")
    assert event.data["required_action"] == {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": "refund", "arguments": '{"order": 9}'},
                    "waits_for": "approval",
                }
            ]
        },
    }
    run.cancel()


def test_calls_of_one_turn_are_decided_one_by_one_and_others_do_not_wait() -> None:
    run = careful('call refund {"order": 1} call look_up {"order": 2} call refund {"order": 3}')
    first, second = parked(run)
    assert [bool(c.output) for c in made(run)] == [False, True, False]
    run.approve(second.id)
    assert parked(run) == [first]
    run.reject(first.id).wait(20)
    assert [c.failed for c in made(run)] == [True, False, False]
    assert [(c.output or "").partition(" by ")[0] for c in made(run)][1:] == [
        "2 looked up",
        "3 refunded",
    ]


def test_a_decision_counts_once() -> None:
    run = careful('call refund {"order": 1}')
    [call] = parked(run)
    run.approve(call.id)
    run.approve(call.id)  # the same again changes nothing
    with pytest.raises(errors.NotWaiting, match="is not waiting for this answer"):
        run.reject(call.id)
    run.wait(20)
    assert [c.failed for c in made(run)] == [False]
    run.approve(call.id)  # nor does it when the run has ended
    with pytest.raises(errors.NotWaiting, match="is completed"):
        run.reject(call.id)


def test_a_function_of_the_caller_that_was_approved_runs_in_the_callers_process() -> None:
    @tool(needs_approval=True)
    def sign() -> str:
        return f"signed by {os.getpid()}"

    run = Assistant(tools=[sign]).enqueue("call sign {}")
    [call] = parked(run)
    run.approve(call.id).wait(20)
    assert [c.output for c in made(run)] == [f"signed by {os.getpid()}"]


def test_nobody_decides_and_the_run_expires_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_APPROVAL_SECONDS", "0.5")
    close_client()
    run = careful('call refund {"order": 1}')
    wait_until(lambda: run.refresh().status == "expired", "it expires", 15)
    assert run.last_error is not None
    assert "Nobody approved or rejected refund (call_" in run.last_error.message
    monkeypatch.undo()
    close_client()


def test_a_cancel_ends_a_run_that_waits_at_once_and_the_thread_can_go_on(standin: StandIn) -> None:
    thread = Thread()
    run = careful('call refund {"order": 1}', thread)
    parked(run)
    with pytest.raises(errors.ThreadLocked):
        thread.add("Wait")
    assert run.cancel().status == "cancelled"
    assert careful("Hello!", thread).wait(20).status == "completed"
    output = "The run ended before anybody approved this call; it was not executed."
    assert output in str(standin.requests[-1].body)


def test_of_a_call_that_was_approved_nobody_says_that_it_was_not_executed(standin: StandIn) -> None:
    thread = Thread()
    run = careful('call ship {"seconds": 5}', thread)
    [call] = parked(run)
    run.approve(call.id)
    wait_until(lambda: run.refresh().status == "in_progress", "it is executed")
    assert run.cancel().wait(20).status == "cancelled"
    assert careful("Hello!", thread).wait(20).status == "completed"
    told = str(standin.requests[-1].body)
    assert "Whether it had an effect is not known." in told
    assert "not executed" not in told


def test_after_the_last_decision_a_callers_function_is_waited_for_less_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def mine() -> str:
        return "nobody is there to call it"

    monkeypatch.setenv("THREADMILL_PARK_SECONDS", "0.5")
    close_client()
    text = 'call refund {"order": 1} call mine {}'
    run = Assistant.load("careful").enqueue(text, additional_tools=[mine])
    decided, _ = parked(run)
    run.approve(decided.id)
    wait_until(lambda: run.refresh().status == "expired", "it expires", 15)
    assert run.last_error is not None
    assert "Nobody submitted the output of mine (call_" in run.last_error.message
    monkeypatch.undo()
    close_client()


def test_an_interrupt_takes_the_place_of_a_run_that_waits() -> None:
    thread = Thread()
    run = careful('call refund {"order": 1}', thread)
    parked(run)
    other = Assistant.load("careful").enqueue("Hello!", thread=thread, when_busy="interrupt")
    assert other.wait(20).status == "completed"
    assert run.refresh().status == "cancelled"


def test_the_command_line_approves_and_rejects() -> None:
    run = careful('call refund {"order": 1} call refund {"order": 2}')
    first, second = parked(run)
    approved = run_threadmill("approve", run.id, first.id)
    assert (approved.returncode, approved.stdout) == (0, f"{first.id} refund: approved\n")
    vague = run_threadmill("reject", run.id, second.id[:-1])
    assert vague.returncode == 1
    assert f"waiting for approval of: {second.id} (refund)." in vague.stderr
    rejected = run_threadmill(
        "reject", run.id, "_".join(second.id.split("_")[-2:]), "--reason", "not today"
    )
    assert (rejected.returncode, rejected.stdout) == (0, f"{second.id} refund: rejected\n")
    run.wait(20)
    assert [c.failed for c in made(run)] == [False, True]
    assert "not today" in (made(run)[1].output or "")
    again = run_threadmill("approve", run.id)
    assert again.returncode == 1
    assert f"{run.id} is not waiting for an approval; it is completed." in again.stderr


def test_the_command_line_approves_all_that_waits_where_no_call_is_named() -> None:
    run = careful('call refund {"order": 1} call refund {"order": 2}')
    parked(run)
    assert run_threadmill("approve", run.id).stdout.count("refund: approved\n") == 2
    assert run.wait(20).status == "completed"


# ---- outputs by hand -----------------------------------------------------------------------------


def test_a_tool_without_a_function_waits_for_an_output_that_somebody_submits() -> None:
    run = Assistant(tools=[LOOKUP]).enqueue('call search {"word": "tea"}')
    [call] = parked(run)
    assert call.waits_for == "output"
    Run.load(run.id).submit_tool_outputs({call.id: {"found": 3}})
    run.wait(20)
    assert [c.output for c in made(run)] == ['{"found":3}']


def test_outputs_may_come_in_the_assistants_apis_form_and_one_by_one() -> None:
    run = Assistant(tools=[LOOKUP]).enqueue("call search {} call search {}")
    first, second = parked(run)
    run.submit_tool_outputs([{"tool_call_id": second.id, "output": "b"}])
    assert parked(run) == [first]
    assert run.submit_tool_outputs({second.id: "b"}).status == "requires_action"
    run.submit_tool_outputs([{"tool_call_id": first.id, "output": "a"}]).wait(20)
    assert [c.output for c in made(run)] == ["a", "b"]


def test_another_output_or_one_that_nobody_waits_for_is_refused_and_nothing_is_stored() -> None:
    run = Assistant(tools=[LOOKUP]).enqueue("call search {} call search {}")
    first, second = parked(run)
    run.submit_tool_outputs({first.id: "a"})
    with pytest.raises(errors.OutputMismatch, match="already answered with a different output"):
        run.submit_tool_outputs({second.id: "b", first.id: "other"})
    with pytest.raises(errors.NotWaiting, match=f"It is waiting for: {second.id} "):
        run.submit_tool_outputs({second.id: "b", "call_of_nobody": "c"})
    assert parked(run) == [second]
    run.cancel()
    with pytest.raises(errors.NotWaiting, match="is cancelled"):
        run.submit_tool_outputs({second.id: "b"})


def test_a_reason_that_is_larger_than_an_output_may_be_is_refused() -> None:
    run = careful('call refund {"order": 1}')
    [call] = parked(run)
    with pytest.raises(errors.TooLarge, match="A reason has 300000 bytes"):
        run.reject(call.id, "x" * 300_000)
    assert parked(run) == [call]
    run.cancel()


def test_nothing_is_stored_where_one_output_is_for_a_call_that_waits_for_an_approval() -> None:
    refund = next(tool for tool in Assistant.load("careful").tools if tool.name == "refund")
    ai = Assistant(tools=[LOOKUP, refund])
    run = ai.enqueue('call search {} call refund {"order": 1}')
    calls = {call.waits_for: call for call in parked(run)}
    outputs = {calls["output"].id: "a", calls["approval"].id: "b"}
    for given in (outputs, dict(reversed(outputs.items()))):
        with pytest.raises(errors.NotWaiting):
            run.submit_tool_outputs(given)
    assert len(parked(run)) == 2
    run.cancel()


def test_an_output_for_a_run_that_is_not_parked_yet_is_refused() -> None:
    run = Assistant(tools=[LOOKUP]).enqueue("tokens=40 delay=0.05")
    with pytest.raises(errors.NotWaiting):
        run.submit_tool_outputs({"call_1": "early"})
    run.cancel()


def test_an_output_in_place_of_an_approval_is_refused() -> None:
    run = careful('call refund {"order": 1}')
    [call] = parked(run)
    with pytest.raises(errors.NotWaiting, match="refund: approval"):
        run.submit_tool_outputs({call.id: "done"})
    run.cancel()


@pytest.mark.parametrize(
    ("outputs", "error"),
    [
        ({}, errors.CallerError),
        (None, TypeError),
        ([{"id": "call_1"}], TypeError),
        ({1: "a"}, TypeError),
        ({"call_1": object()}, errors.ToolError),
        ({"call_1": "x" * 300_000}, errors.TooLarge),
    ],
)
def test_what_is_no_output_is_refused(outputs: object, error: type[Exception]) -> None:
    run = Assistant().enqueue("Hello!")
    with pytest.raises(error):
        run.submit_tool_outputs(outputs)  # type: ignore[arg-type]


def test_a_dict_that_is_no_tool_is_refused_before_anything_is_written() -> None:
    for wrong in ({}, {"type": "function"}, {"type": "function", "function": {"name": "no way"}}):
        with pytest.raises(errors.BadTool):
            Assistant(tools=[wrong]).enqueue("Hello!")


async def test_the_twins_do_the_same() -> None:
    run = await Assistant(tools=[LOOKUP]).enqueue_async("call search {}")
    [call] = parked(run)
    await run.submit_tool_outputs_async({call.id: "found"})
    await run.wait_async(20)
    assert [c.output for c in made(run)] == ["found"]
    asked = await (await Assistant.load_async("careful")).enqueue_async(
        'call refund {"order": 1} call refund {"order": 2}'
    )
    first, second = parked(asked)
    await asked.approve_async(first.id)
    await asked.reject_async(second.id)
    await asked.wait_async(20)
    assert [c.failed for c in made(asked)] == [False, True]
