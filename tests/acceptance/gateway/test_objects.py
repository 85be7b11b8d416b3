"""Threads, messages and assistants: created, read, listed, changed and deleted."""

from __future__ import annotations

import openai
import pytest
from tests.acceptance.gateway.conftest import Served

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")


@pytest.fixture
def client(served: Served) -> openai.OpenAI:
    return served.client()


def test_an_assistant_is_created_read_changed_and_deleted(client: openai.OpenAI) -> None:
    assistants = client.beta.assistants
    created = assistants.create(
        model="gpt-5.4-mini",
        name="Ada",
        description="Calculates.",
        instructions="Use {{ braces }} {% and %} keep them.",
        tools=[
            {"type": "code_interpreter"},
            {"type": "function", "function": {"name": "f", "strict": True}},
        ],
        tool_resources={"code_interpreter": {"file_ids": ["file-1"]}},
        metadata={"team": "a"},
        temperature=0.5,
        response_format={"type": "json_object"},
    )
    assert assistants.retrieve(created.id) == created
    assert created.instructions == "Use {{ braces }} {% and %} keep them."
    assert created.tool_resources is not None
    assert created.tool_resources.to_dict() == {"code_interpreter": {"file_ids": ["file-1"]}}
    changed = assistants.update(created.id, name="Bea", metadata={})
    assert (changed.name, changed.metadata) == ("Bea", {})
    assert changed.model_copy(update={"name": "Ada", "metadata": {"team": "a"}}) == created
    cleared = assistants.update(created.id, name=None, instructions=None, tools=[])  # type: ignore[arg-type]
    assert (cleared.name, cleared.instructions, cleared.tools) == (None, None, [])
    assert assistants.delete(created.id).deleted
    for ask in (assistants.retrieve, assistants.delete):
        with pytest.raises(openai.NotFoundError, match="No assistant found with id"):
            ask(created.id)


def test_a_thread_has_the_messages_and_metadata_that_it_was_created_with(
    client: openai.OpenAI,
) -> None:
    threads = client.beta.threads
    created = threads.create(
        messages=[
            {"role": "user", "content": "Hi.", "metadata": {"n": "1"}},
            {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
        ],
        metadata={"user": "u1"},
    )
    assert threads.retrieve(created.id) == created
    listed = threads.messages.list(created.id, order="asc").data
    assert [(one.role, one.metadata, one.run_id) for one in listed] == [
        ("user", {"n": "1"}, None),
        ("assistant", {}, None),
    ]
    changed = threads.update(created.id, metadata={"user": "u2"})
    assert changed.metadata == {"user": "u2"}
    assert threads.update(created.id).metadata == {"user": "u2"}
    assert threads.delete(created.id).deleted
    with pytest.raises(openai.NotFoundError):
        threads.retrieve(created.id)


def test_a_message_is_read_and_its_metadata_changed(client: openai.OpenAI) -> None:
    threads = client.beta.threads
    thread = threads.create()
    created = threads.messages.create(thread.id, role="user", content="Hi.")
    assert threads.messages.retrieve(created.id, thread_id=thread.id) == created
    changed = threads.messages.update(created.id, thread_id=thread.id, metadata={"a": "b"})
    assert changed == created.model_copy(update={"metadata": {"a": "b"}})
    assert threads.messages.list(thread.id).data == [changed]
    with pytest.raises(openai.NotFoundError, match="No message found with id 'msg_none'"):
        threads.messages.retrieve("msg_none", thread_id=thread.id)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_have_each_message_once(client: openai.OpenAI, order: str) -> None:
    threads = client.beta.threads
    texts = [f"{number}" for number in range(45)]
    thread = threads.create(messages=[{"role": "user", "content": text} for text in texts])
    found = [
        part.text.value
        for message in threads.messages.list(thread.id, limit=20, order=order)  # type: ignore[arg-type]
        for part in message.content
        if part.type == "text"
    ]
    assert found == (texts if order == "asc" else texts[::-1])
    page = threads.messages.list(thread.id, limit=10)
    before = threads.messages.list(thread.id, limit=5, before=page.data[-1].id)
    assert [one.id for one in before.data] == [one.id for one in page.data[4:9]]
    with pytest.raises(openai.BadRequestError, match="the list has no object with the id"):
        threads.messages.list(thread.id, after="msg_none")
    with pytest.raises(openai.BadRequestError, match="Expected a value <= 100, but got 101"):
        threads.messages.list(thread.id, limit=101)
