"""A thread's messages from Python: pages in both orders, one message, changes and deletions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.acceptance.conftest import Lasting
from tests.support.provider_requests import said_to

from threadmill import Assistant, Run, Thread, errors
from threadmill.testing import StandIn

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    lasting.workers.start("bot")


@pytest.fixture
def standin(lasting: Lasting) -> Iterator[StandIn]:
    return lasting.fresh_standin()


def say(text: str, thread: Thread) -> Run:
    return Assistant.load("plain").say(text, thread=thread, event_handler_class=None)


def test_messages_come_in_either_order_and_by_run() -> None:
    thread = Thread().create(["zero"])
    first, second = say("one", thread), say("two", thread)
    oldest_first = [message.id for message in thread.get_messages()]

    newest_first = [message.id for message in thread.get_messages(order="desc")]
    assert newest_first == oldest_first[::-1]
    earlier = thread.get_messages(2, before_message=oldest_first[3], order="desc")
    assert [message.id for message in earlier] == [oldest_first[2], oldest_first[1]]
    [answer] = thread.get_messages(run=first)
    assert (answer.role, answer.run_id) == ("assistant", first.id)
    assert thread.get_messages(run=second.id) == [thread.get_messages(1)[0]]


def test_an_order_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="order must be 'asc' or 'desc', not 'newest'"):
        Thread().get_messages(order="newest")  # type: ignore[arg-type]  # that is the point


def test_one_message_can_be_read() -> None:
    thread = Thread().create(["zero"])
    [message] = thread.get_messages()
    assert thread.get_message(message.id) == message
    with pytest.raises(errors.MessageNotFound):
        thread.get_message("msg_0")


def test_metadata_of_a_thread_and_its_messages_can_be_changed_while_a_run_is_active() -> None:
    thread = Thread(metadata={"team": "blue"}).create(["zero"])
    Assistant(name="nobody has this").enqueue("one", thread=thread)
    thread.metadata["team"] = "red"

    assert thread.save() is thread
    assert Thread(thread.id).refresh().metadata == {"team": "red"}
    first = thread.get_messages()[0]
    assert thread.save_message(first.id, {"rating": "up"}).metadata == {"rating": "up"}
    assert thread.get_messages()[0] == first.model_copy(update={"metadata": {"rating": "up"}})


def test_a_threads_tool_resources_are_stored_with_it_and_can_be_changed() -> None:
    thread = Thread(tool_resources={"file_search": {"vector_store_ids": ["vs_1"]}}).create()
    known = Thread(thread.id)
    known.save()  # it does not know of any
    assert known.refresh().tool_resources == {"file_search": {"vector_store_ids": ["vs_1"]}}

    known.tool_resources = {"code_interpreter": {"file_ids": ["file-1"]}}
    known.save()
    assert thread.refresh().tool_resources == {"code_interpreter": {"file_ids": ["file-1"]}}
    thread.tool_resources = {"web_search": {}}
    for wrong in (lambda: Thread(tool_resources={"file_search": ["vs_1"]}), thread.save):
        with pytest.raises(errors.BadTool, match="tool_resources is"):
            wrong()


def test_metadata_that_cannot_be_stored_are_refused() -> None:
    thread = Thread().create(["zero"])
    [message] = thread.get_messages()
    thread.metadata["order"] = 7  # type: ignore[assignment]  # that is the point
    with pytest.raises(TypeError, match="metadata must be a str, not int"):
        thread.save()
    with pytest.raises(TypeError, match="A message's metadata must be a dict, not list"):
        thread.save_message(message.id, [])  # type: ignore[arg-type]  # that is the point
    with pytest.raises(errors.MessageNotFound):
        thread.save_message("msg_0", {})
    with pytest.raises(errors.ThreadNotFound):
        Thread().save()


def test_a_deleted_message_is_gone_and_the_next_run_does_not_send_it(standin: StandIn) -> None:
    thread = Thread().create(["zero"])
    run = say("one", thread)
    [zero, one, answer] = thread.get_messages()

    thread.delete_message(one.id)
    thread.delete_message(answer.id)
    with pytest.raises(errors.MessageNotFound):
        thread.delete_message(one.id)

    assert thread.get_messages() == [zero]
    assert Run.load(run.id).messages == []
    say("two", thread)
    assert said_to(standin.requests[-1]) == ["zero", "two"]


def test_messages_can_be_the_assistants_and_have_metadata_and_parts(standin: StandIn) -> None:
    thread = Thread().create(
        ["zero", {"role": "assistant", "content": "Hi!", "metadata": {"from": "elsewhere"}}]
    )
    url = "https://example.org/cat.png"
    parts = [
        {"type": "text", "text": "Look: "},
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
    ]
    added = thread.add(parts, metadata={"lang": "en"})
    said = thread.add("A cat.", role="assistant")

    assert [one.role for one in thread.get_messages()] == ["user", "assistant"] * 2
    assert thread.get_messages()[1].metadata == {"from": "elsewhere"}
    assert (added.text, added.metadata, added.run_id) == ("Look: ", {"lang": "en"}, None)
    assert added.content[1].image_url.url == url
    assert (said.role, said.assistant_id, said.run_id) == ("assistant", None, None)
    say("And now?", thread)
    sent = [one for one in standin.requests[-1].items if one.get("role") in ("user", "assistant")]
    assert [one["role"] for one in sent] == [*["user", "assistant"] * 2, "user"]
    assert url in str(sent[2]["content"])
    assert "A cat." in str(sent[3]["content"])


@pytest.mark.parametrize(
    ("message", "options", "reason"),
    [
        ("hi", {"role": "system"}, "role"),
        ("", {"role": "assistant"}, "must not be empty"),
        ([], {}, "must not be empty"),
        ([{"type": "video"}], {}, "part that is neither"),
        (7, {}, "must be a str, not int"),
        ("hi", {"role": "assistant", "image_files": ["https://example.org/a.png"]}, "the user"),
    ],
)
def test_a_message_that_cannot_be_is_refused_and_nothing_is_stored(
    message: Any, options: dict[str, Any], reason: str
) -> None:
    thread = Thread().create(["zero"])
    with pytest.raises(errors.BadMessage, match=reason):
        thread.add(message, **options)
    with pytest.raises(errors.BadMessage):
        Thread(key="never made").create(["zero", {"role": "user"}])
    assert len(thread.get_messages()) == 1
    with pytest.raises(errors.ThreadNotFound):
        Thread(key="never made").refresh()


def test_a_message_cannot_be_deleted_while_a_run_holds_the_thread() -> None:
    thread = Thread().create(["zero"])
    [zero] = thread.get_messages()
    run = Assistant(name="nobody has this").enqueue("one", thread=thread)
    with pytest.raises(errors.ThreadLocked) as refused:
        thread.delete_message(zero.id)
    assert refused.value.run_id == run.id
    assert thread.get_messages()[0] == zero
