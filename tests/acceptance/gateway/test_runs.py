"""Programs that speak the Assistants API: they poll, stream, call functions and cancel."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AssistantEventHandler
from openai.types.beta import Assistant
from openai.types.beta.threads import Run
from tests.acceptance.gateway.conftest import Served
from tests.support.processes.gateway import Gateways
from tests.support.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}


@pytest.fixture
def client(served: Served) -> openai.OpenAI:
    return served.client()


@pytest.fixture
def assistant(client: openai.OpenAI) -> Assistant:
    return client.beta.assistants.create(model="gpt-5.4-mini", name="Adder", tools=[ADD])


def thread_saying(client: openai.OpenAI, text: str) -> str:
    return client.beta.threads.create(messages=[{"role": "user", "content": text}]).id


def outputs_of(run: Run) -> list[Any]:
    assert run.required_action is not None
    calls = run.required_action.submit_tool_outputs.tool_calls
    return [{"tool_call_id": call.id, "output": f"{call.function.name} says 4"} for call in calls]


def last_text(client: openai.OpenAI, thread_id: str) -> str:
    [part] = client.beta.threads.messages.list(thread_id, limit=1).data[0].content
    assert part.type == "text"
    return part.text.value


class Recorder(AssistantEventHandler):
    """Keeps what SDKs tell of a stream."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.text = ""
        self.calls: list[str] = []

    def on_event(self, event: Any) -> None:
        self.names.append(event.event)

    def on_text_delta(self, delta: Any, snapshot: Any) -> None:
        self.text += delta.value

    def on_tool_call_done(self, tool_call: Any) -> None:
        self.calls.append(tool_call.function.name)


def test_a_polled_run_answers(client: openai.OpenAI, assistant: Assistant) -> None:
    thread_id = thread_saying(client, "hello")
    run = client.beta.threads.runs.create_and_poll(thread_id=thread_id, assistant_id=assistant.id)
    assert run.status == "completed"
    assert run.usage is not None
    assert run.usage.total_tokens > 0
    assert last_text(client, thread_id).startswith("Hello!")


def test_a_poll_is_answered_as_soon_as_the_run_has_ended(
    client: openai.OpenAI, assistant: Assistant
) -> None:
    thread_id = thread_saying(client, "tokens=20 delay=0.02")
    began = time.monotonic()
    run = client.beta.threads.runs.create_and_poll(thread_id=thread_id, assistant_id=assistant.id)
    took = time.monotonic() - began
    assert run.completed_at is not None
    # It polls each second otherwise, and would ask three times.
    assert took < 5


def test_a_streamed_run_tells_its_text_and_its_events_in_order(
    client: openai.OpenAI, assistant: Assistant
) -> None:
    thread_id = thread_saying(client, "tokens=5")
    handler = Recorder()
    runs = client.beta.threads.runs
    with runs.stream(
        thread_id=thread_id, assistant_id=assistant.id, event_handler=handler
    ) as stream:
        stream.until_done()
    assert handler.text == "1 2 3 4 5 "
    assert handler.names[:3] == [
        "thread.run.created",
        "thread.run.queued",
        "thread.run.in_progress",
    ]
    assert handler.names[-1] == "thread.run.completed"


def test_a_raw_stream_ends_with_done(client: openai.OpenAI, assistant: Assistant) -> None:
    thread_id = thread_saying(client, "tokens=3")
    stream = client.beta.threads.runs.create(
        thread_id=thread_id, assistant_id=assistant.id, stream=True
    )
    events = [event.event for event in stream]
    assert events[0] == "thread.run.created"
    assert events[-1] == "thread.run.completed"


def test_a_function_is_called_by_the_client_and_its_output_used(
    client: openai.OpenAI, assistant: Assistant
) -> None:
    thread_id = thread_saying(client, 'call add {"a": 2, "b": 2}')
    runs = client.beta.threads.runs
    run = runs.create_and_poll(thread_id=thread_id, assistant_id=assistant.id)
    assert run.status == "requires_action"
    run = runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread_id, tool_outputs=outputs_of(run)
    )
    assert run.status == "completed"
    assert "add says 4" in last_text(client, thread_id)
    steps = runs.steps.list(run.id, thread_id=thread_id, order="asc").data
    assert [(step.type, step.status) for step in steps] == [
        ("tool_calls", "completed"),
        ("message_creation", "completed"),
    ]


def test_a_function_of_a_worker_is_never_taken_for_one_that_a_client_has_defined(
    client: openai.OpenAI,
) -> None:
    tool = {"type": "function", "function": {"name": "show_int", "parameters": {"type": "object"}}}
    assistant = client.beta.assistants.create(model="gpt-5.4-mini", tools=[tool])  # type: ignore[list-item]
    thread_id = thread_saying(client, 'call show_int {"value": 1}')
    run = client.beta.threads.runs.create_and_poll(thread_id=thread_id, assistant_id=assistant.id)
    assert run.status == "requires_action"


def test_two_calls_at_once_and_two_rounds_in_streams(
    client: openai.OpenAI, assistant: Assistant
) -> None:
    thread_id = thread_saying(client, 'call add {"a": 1, "b": 1} and call add {"a": 2, "b": 2}')
    runs, first, second = client.beta.threads.runs, Recorder(), Recorder()
    with runs.stream(thread_id=thread_id, assistant_id=assistant.id, event_handler=first) as stream:
        stream.until_done()
        run = stream.current_run
    assert first.calls == ["add", "add"]
    assert run is not None
    assert first.names[-1] == "thread.run.requires_action"
    with runs.submit_tool_outputs_stream(
        run_id=run.id, thread_id=thread_id, tool_outputs=outputs_of(run), event_handler=second
    ) as stream:
        stream.until_done()
    assert second.names[0] == "thread.run.step.completed"
    assert second.names[-1] == "thread.run.completed"
    assert second.text.count("add says 4") == 2


def test_coroutines_poll_and_stream(served: Served, assistant: Assistant) -> None:
    async def use() -> tuple[str, str]:
        async with served.async_client() as client:
            threads = client.beta.threads
            thread = await threads.create(messages=[{"role": "user", "content": "tokens=4"}])
            run = await threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
            text = ""
            async with threads.runs.stream(
                thread_id=thread.id, assistant_id=assistant.id
            ) as stream:
                async for piece in stream.text_deltas:
                    text += piece
            return run.status, text

    assert asyncio.run(use()) == ("completed", "1 2 3 4 ")


def test_a_cancelled_run_ends_its_stream(client: openai.OpenAI, assistant: Assistant) -> None:
    thread_id = thread_saying(client, "tokens=2000 delay=0.02")
    handler, runs = Recorder(), client.beta.threads.runs

    def cancel() -> None:
        wait_until(lambda: handler.text, "the run writes")
        assert handler.current_run is not None
        cancelled = runs.cancel(handler.current_run.id, thread_id=thread_id)
        assert cancelled.status in ("cancelling", "cancelled")

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with runs.stream(
        thread_id=thread_id, assistant_id=assistant.id, event_handler=handler
    ) as stream:
        stream.until_done()
    canceller.join()
    assert handler.names[-1] == "thread.run.cancelled"
    run = stream.get_final_run()
    with pytest.raises(openai.BadRequestError, match="Cannot cancel run with status 'cancelled'"):
        runs.cancel(run.id, thread_id=thread_id)


def test_a_thread_with_an_active_run_takes_neither_message_nor_run_and_is_not_deleted(
    client: openai.OpenAI, assistant: Assistant
) -> None:
    thread_id = thread_saying(client, 'call add {"a": 1, "b": 1}')
    threads = client.beta.threads
    run = threads.runs.create_and_poll(thread_id=thread_id, assistant_id=assistant.id)
    words = f"Can't add messages to {thread_id} while a run {run.id} is active."
    with pytest.raises(openai.BadRequestError) as caught:
        threads.messages.create(thread_id, role="user", content="wait")
    assert words in str(caught.value)
    with pytest.raises(openai.BadRequestError) as caught:
        threads.runs.create(thread_id=thread_id, assistant_id=assistant.id)
    assert f"Thread {thread_id} already has an active run {run.id}." in str(caught.value)
    with pytest.raises(openai.BadRequestError, match=f"while a run {run.id} is active"):
        threads.delete(thread_id)
    assert threads.runs.cancel(run.id, thread_id=thread_id).status == "cancelled"
    threads.messages.create(thread_id, role="user", content="now")
    assert threads.delete(thread_id).deleted


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ([], r"Expected tool outputs for call_ids \['call_\w+'\], got \[\]"),
        (["call_other"], r"got \['call_other'\]"),
        (["own", "own"], r"Duplicate call_ids submitted"),
    ],
)
def test_outputs_that_do_not_fit_change_nothing(
    client: openai.OpenAI, assistant: Assistant, outputs: list[str], words: str
) -> None:
    thread_id = thread_saying(client, 'call add {"a": 1, "b": 1}')
    runs = client.beta.threads.runs
    run = runs.create_and_poll(thread_id=thread_id, assistant_id=assistant.id)
    [fit] = outputs_of(run)
    given = [
        {"tool_call_id": fit["tool_call_id"] if o == "own" else o, "output": "x"} for o in outputs
    ]
    with pytest.raises(openai.BadRequestError, match=words):
        runs.submit_tool_outputs(run.id, thread_id=thread_id, tool_outputs=given)  # type: ignore[arg-type]
    run = runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=thread_id, tool_outputs=[fit])
    assert run.status == "completed"
    again = runs.submit_tool_outputs(run.id, thread_id=thread_id, tool_outputs=[fit])
    assert again.status == "completed"
    other = fit | {"output": "another"}
    with pytest.raises(openai.BadRequestError, match="do not accept tool outputs"):
        runs.submit_tool_outputs(run.id, thread_id=thread_id, tool_outputs=[other])


def test_what_does_not_exist_is_not_found(client: openai.OpenAI, assistant: Assistant) -> None:
    threads = client.beta.threads
    for ask, words in [
        (lambda: threads.retrieve("thread_nowhere"), "No thread found with id 'thread_nowhere'."),
        (
            lambda: client.beta.assistants.retrieve("asst_no"),
            "No assistant found with id 'asst_no'",
        ),
        (lambda: threads.runs.retrieve("run_no", thread_id="thread_no"), "No run found with id"),
    ]:
        with pytest.raises(openai.NotFoundError, match=words):
            ask()
    with pytest.raises(openai.BadRequestError, match="Expected an ID that begins with 'thread'"):
        threads.retrieve("undefined")
    thread_id = thread_saying(client, "hello")
    with pytest.raises(openai.NotFoundError, match="No assistant found with id 'asst_no'"):
        threads.runs.create(thread_id=thread_id, assistant_id="asst_no")


def test_a_run_that_waits_too_long_for_outputs_expires(served: Served, tmp_path: Path) -> None:
    with Gateways(tmp_path) as gateways:
        url = f"{gateways.start(THREADMILL_PARK_SECONDS='1').url}/v1"
        client = served.client(base_url=url)
        assistant = client.beta.assistants.create(model="gpt-5.4-mini", tools=[ADD])
        thread_id = thread_saying(client, 'call add {"a": 1, "b": 1}')
        runs = client.beta.threads.runs
        run = runs.create_and_poll(thread_id=thread_id, assistant_id=assistant.id)
        outputs = outputs_of(run)
        wait_until(
            lambda: runs.retrieve(run.id, thread_id=thread_id).status == "expired", "it expires"
        )
        words = 'Runs in status "expired" do not accept tool outputs.'
        with pytest.raises(openai.BadRequestError, match=words):
            runs.submit_tool_outputs(run.id, thread_id=thread_id, tool_outputs=outputs)
        [step] = runs.steps.list(run.id, thread_id=thread_id).data
        assert (step.status, step.expired_at is None) == ("expired", False)
        client.beta.threads.messages.create(thread_id, role="user", content="Go on.")
