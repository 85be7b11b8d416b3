"""Calls that wait for an approval are shown to those that decide, and to no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest
from openai.types.beta.threads import Run
from tests.acceptance.conftest import Lasting
from tests.acceptance.gateway.conftest import Served
from tests.acceptance.gateway.test_runs import thread_saying
from tests.support.processes.gateway import Gateways
from tests.support.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")

SHOW = {"Threadmill-Approvals": "show"}


@pytest.fixture(scope="module")
def served(lasting: Lasting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway, and a worker whose tools need approvals."""
    lasting.workers.start("careful")
    with Gateways(tmp_path_factory.mktemp("gateways")) as gateways, ExitStack() as clients:
        yield Served(gateways.start(), lasting, clients)


@pytest.fixture
def client(served: Served) -> openai.OpenAI:
    return served.client()


@pytest.fixture
def decider(served: Served) -> openai.OpenAI:
    return served.client(default_headers=SHOW)


def started(client: openai.OpenAI, text: str) -> Run:
    thread_id = thread_saying(client, text)
    return client.beta.threads.runs.create(thread_id=thread_id, assistant_id="careful")


def waiting(decider: openai.OpenAI, run: Run) -> Any:
    """The call that waits, as who decides sees it."""

    def calls() -> list[Any]:
        now = decider.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
        return now.required_action.submit_tool_outputs.tool_calls if now.required_action else []

    [call] = wait_until(calls, "a call waits")
    return call


def decide(client: openai.OpenAI, run: Run, decision: str, **body: Any) -> Run:
    return client.post(f"/threads/{run.thread_id}/runs/{run.id}/{decision}", body=body, cast_to=Run)


def output(client: openai.OpenAI, run: Run) -> str:
    [step] = [
        one
        for one in client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id)
        if one.step_details.type == "tool_calls"
    ]
    return str(step.to_dict()["step_details"]["tool_calls"][0]["function"]["output"])  # type: ignore[index, call-overload]


def test_an_approved_call_is_executed_by_a_worker(
    client: openai.OpenAI, decider: openai.OpenAI
) -> None:
    run = started(client, 'call refund {"order": 7}')
    call = waiting(decider, run)
    assert (call.function.name, call.to_dict()["waits_for"]) == ("refund", "approval")
    assert decide(client, run, "approve", tool_call_id=call.id).status != "requires_action"
    decide(client, run, "approve", tool_call_id=call.id)  # the same again changes nothing
    assert client.beta.threads.runs.poll(run.id, thread_id=run.thread_id).status == "completed"
    assert output(client, run).startswith("7 refunded by ")


def test_a_rejected_call_is_not_executed_and_the_model_is_told_why(
    client: openai.OpenAI, decider: openai.OpenAI
) -> None:
    run = started(client, 'call refund {"order": 8}')
    call = waiting(decider, run)
    decide(client, run, "reject", tool_call_id=call.id, reason="too much")
    assert client.beta.threads.runs.poll(run.id, thread_id=run.thread_id).status == "completed"
    assert output(client, run).endswith("Reason: too much")


def test_a_client_that_does_not_decide_sees_a_run_that_goes_on(
    client: openai.OpenAI, decider: openai.OpenAI
) -> None:
    run = started(client, 'call refund {"order": 9}')
    call = waiting(decider, run)
    seen = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
    assert (seen.status, seen.required_action) == ("in_progress", None)
    decide(client, run, "approve", tool_call_id=call.id)
    client.beta.threads.runs.poll(run.id, thread_id=run.thread_id)


def test_the_stream_of_who_decides_ends_with_the_call_and_that_of_others_goes_on(
    client: openai.OpenAI, decider: openai.OpenAI
) -> None:
    thread_id = thread_saying(client, 'call refund {"order": 10}')
    where = {"thread_id": thread_id, "assistant_id": "careful"}
    with decider.beta.threads.runs.stream(**where) as stream:  # type: ignore[arg-type]
        last = [event for event in stream if event.event != "done"][-1]
    assert last.event == "thread.run.requires_action"
    run = last.data
    with client.get(
        f"/threads/{thread_id}/runs/{run.id}/events",
        cast_to=object,
        stream=True,
        stream_cls=openai.Stream[Any],
    ) as others:
        decide(client, run, "approve", tool_call_id=waiting(decider, run).id)
        names = [event["event"] for event in others]
    assert "thread.run.requires_action" not in names
    assert "thread.run.completed" in names


@pytest.mark.parametrize(
    ("decision", "body", "words"),
    [
        ("approve", {"tool_call_id": "call_1"}, "The call call_1 is not waiting for an approval."),
        ("reject", {"tool_call_id": "call_1"}, "The call call_1 is not waiting for an approval."),
        ("approve", {}, "Missing required parameter: 'tool_call_id'."),
        ("approve", {"tool_call_id": "call_1", "reason": "x"}, "Unknown parameter: 'reason'"),
        ("reject", {"tool_call_id": "call_1", "reason": "é" * 150_000}, "at most 262144"),
    ],
)
def test_a_decision_about_what_does_not_wait_is_refused(
    client: openai.OpenAI, decision: str, body: dict[str, str], words: str
) -> None:
    run = started(client, "hello")
    client.beta.threads.runs.poll(run.id, thread_id=run.thread_id)
    with pytest.raises(openai.BadRequestError, match=words):
        decide(client, run, decision, **body)


def test_what_was_rejected_cannot_be_approved(
    client: openai.OpenAI, decider: openai.OpenAI
) -> None:
    run = started(client, 'call refund {"order": 11}')
    call = waiting(decider, run)
    decide(client, run, "reject", tool_call_id=call.id, reason="no")
    decide(client, run, "reject", tool_call_id=call.id, reason="no")
    for decision, more in (("approve", {}), ("reject", {"reason": "another"})):
        with pytest.raises(openai.BadRequestError):
            decide(client, run, decision, tool_call_id=call.id, **more)
    client.beta.threads.runs.poll(run.id, thread_id=run.thread_id)


def test_another_word_in_the_header_is_refused(served: Served, client: openai.OpenAI) -> None:
    run = started(client, "hello")
    with pytest.raises(openai.BadRequestError, match="Supported values are: show"):
        served.client(default_headers={"Threadmill-Approvals": "1"}).beta.threads.runs.retrieve(
            run.id, thread_id=run.thread_id
        )
