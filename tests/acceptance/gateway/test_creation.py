"""Runs with their threads and messages: created together or not at all."""

from __future__ import annotations

import openai
import pytest
from tests.acceptance.gateway.conftest import Served
from tests.acceptance.gateway.test_runs import ADD, outputs_of, thread_saying

from threadmill import Thread

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c626001000000ffff03000006000557bfabd40000000049454e44ae426082"
)


@pytest.fixture
def client(served: Served) -> openai.OpenAI:
    return served.client()


@pytest.fixture
def assistant_id(client: openai.OpenAI) -> str:
    return client.beta.assistants.create(model="gpt-5.4-mini", tools=[ADD]).id


def test_a_thread_is_created_with_its_run(client: openai.OpenAI, assistant_id: str) -> None:
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant_id,
        thread={
            "messages": [
                {"role": "user", "content": "tokens=2"},
                {"role": "assistant", "content": "1 2"},
                {"role": "user", "content": "tokens=3"},
            ],
            "metadata": {"a": "b"},
        },
        metadata={"of": "run"},
    )
    assert (run.status, run.metadata) == ("completed", {"of": "run"})
    thread = client.beta.threads.retrieve(run.thread_id)
    assert thread.metadata == {"a": "b"}
    found = client.beta.threads.messages.list(thread.id, order="asc").data
    assert [(one.role, one.run_id) for one in found] == [
        ("user", None),
        ("assistant", None),
        ("user", None),
        ("assistant", run.id),
    ]


def test_the_stream_of_a_new_thread_begins_with_it(
    client: openai.OpenAI, assistant_id: str
) -> None:
    with client.beta.threads.create_and_run_stream(
        assistant_id=assistant_id, thread={"messages": [{"role": "user", "content": "tokens=2"}]}
    ) as stream:
        events = [event.event for event in stream]
    assert events[:2] == ["thread.created", "thread.run.created"]
    assert events[-1] == "thread.run.completed"


def test_nothing_is_created_if_the_assistant_is_not_there(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="No assistant found"):
        client.beta.threads.create_and_run(
            assistant_id="asst_none", extra_body={"threadmill": {"key": "never"}}
        )
    with pytest.raises(openai.NotFoundError):
        client.beta.threads.retrieve(Thread(key="never").id)


def test_messages_come_with_a_run_or_not_at_all(client: openai.OpenAI, assistant_id: str) -> None:
    threads = client.beta.threads
    thread_id = thread_saying(client, "call add {}")
    run = threads.runs.create_and_poll(thread_id=thread_id, assistant_id=assistant_id)
    added = [{"role": "user", "content": "one"}, {"role": "user", "content": "tokens=2"}]
    with pytest.raises(openai.BadRequestError, match="already has an active run"):
        threads.runs.create(
            thread_id=thread_id,
            assistant_id=assistant_id,
            additional_messages=added,  # type: ignore[arg-type]
        )
    assert len(threads.messages.list(thread_id).data) == 1
    threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread_id, tool_outputs=outputs_of(run)
    )
    run = threads.runs.create_and_poll(
        thread_id=thread_id,
        assistant_id=assistant_id,
        additional_messages=added,  # type: ignore[arg-type]
    )
    assert run.status == "completed"
    texts = [
        part.text.value
        for message in threads.messages.list(thread_id, order="asc")
        for part in message.content
        if part.type == "text"
    ]
    assert texts[-3:] == ["one", "tokens=2", "1 2 "]


def test_a_runs_metadata_are_changed(client: openai.OpenAI, assistant_id: str) -> None:
    runs, thread_id = client.beta.threads.runs, thread_saying(client, "hello")
    run = runs.create_and_poll(thread_id=thread_id, assistant_id=assistant_id, metadata={"a": "b"})
    changed = runs.update(run.id, thread_id=thread_id, metadata={"c": "d"})
    assert changed.metadata == {"c": "d"}
    assert runs.retrieve(run.id, thread_id=thread_id).metadata == {"c": "d"}
    assert [one.metadata for one in runs.list(thread_id)] == [{"c": "d"}]


def test_a_message_has_its_files_though_they_are_deleted(
    served: Served, client: openai.OpenAI, assistant_id: str
) -> None:
    file = client.files.create(file=("dot.png", PNG), purpose="vision")
    thread = client.beta.threads.create(
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "hello"},
                    {"type": "image_file", "image_file": {"file_id": file.id, "detail": "low"}},
                ],
            }
        ]
    )
    client.files.delete(file.id)
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant_id)
    assert run.status == "completed"
    assert "data:image/png;base64" in str(served.fleet.standin.requests[-1].body)
    with pytest.raises(openai.NotFoundError, match=f"No such File object: {file.id}"):
        client.beta.threads.messages.create(
            thread.id,
            role="user",
            content=[{"type": "image_file", "image_file": {"file_id": file.id}}],
        )
