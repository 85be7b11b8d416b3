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
    assert threads.messages.delete(created.id, thread_id=thread.id).deleted
    assert threads.messages.list(thread.id).data == []
    for ask in (threads.messages.retrieve, threads.messages.delete):
        with pytest.raises(openai.NotFoundError, match="No message found with id 'msg_none'"):
            ask("msg_none", thread_id=thread.id)


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


def test_assistants_are_listed_in_both_orders(client: openai.OpenAI) -> None:
    assistants = client.beta.assistants
    made = [assistants.create(model="gpt-5.4-mini", name=f"a{number}").id for number in range(25)]
    for order in ("asc", "desc"):
        found = [one.id for one in assistants.list(limit=10, order=order)]  # type: ignore[arg-type]
        ours = [id for id in found if id in made]
        assert ours == (made if order == "asc" else made[::-1])


def test_a_file_is_uploaded_listed_read_and_deleted(client: openai.OpenAI) -> None:
    content = b"a,b\n1,2\n\x00\xff"
    made = client.files.create(file=("table.csv", content), purpose="assistants")
    assert (made.filename, made.bytes, made.status) == ("table.csv", len(content), "processed")
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).read() == content
    assert made in list(client.files.list(purpose="assistants"))
    assert made not in list(client.files.list(purpose="vision"))
    assert client.files.delete(made.id).deleted
    for ask in (client.files.retrieve, client.files.delete, client.files.content):
        with pytest.raises(openai.NotFoundError, match=f"No such File object: {made.id}"):
            ask(made.id)


def test_a_file_expires_if_its_uploader_says_so(client: openai.OpenAI) -> None:
    made = client.files.create(
        file=("note.txt", b"x"),
        purpose="user_data",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert made.expires_at == made.created_at + 3600


def test_an_upload_that_is_not_valid_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Supported values are"):
        client.files.create(file=("x.txt", b"x"), purpose="nothing")  # type: ignore[arg-type]
    with pytest.raises(openai.APIStatusError, match="THREADMILL_FILE_BYTES"):
        client.files.create(file=("x.txt", b"x" * (5 * 1024 * 1024 + 1)), purpose="assistants")
    with pytest.raises(openai.BadRequestError, match="Missing required parameter: 'file'"):
        client.post("/files", cast_to=object, body={"purpose": "assistants"}, files=[])


def test_vector_stores_are_refused_with_what_to_do_instead(client: openai.OpenAI) -> None:
    for ask in (client.vector_stores.list, client.vector_stores.create):
        with pytest.raises(openai.BadRequestError, match="name them in tool_resources"):
            ask()


def test_a_path_that_the_api_does_not_have_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Invalid URL"):
        client.get("/threads/x/y/z", cast_to=object)
    with pytest.raises(openai.APIStatusError, match="Not allowed to PUT"):
        client.put("/threads", cast_to=object)
