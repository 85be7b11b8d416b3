"""Messages in the Assistants API's form: what they become, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from threadmill_shared import errors
from threadmill_shared.records.new_messages import MOST_MESSAGES, read_new_messages

TEXT = {"type": "text", "text": "What is that?"}
URL = {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}
FILE = {"type": "image_file", "image_file": {"file_id": "file-1"}}
ATTACHED = {"file_id": "file-2", "tools": [{"type": "file_search"}]}


def read(*given: Any, max_bytes: int = 1000) -> list[dict[str, Any]]:
    return [{**one.item} for one in read_new_messages(given, max_bytes=max_bytes)]


def test_a_text_becomes_a_part_of_its_message() -> None:
    [item] = read({"role": "user", "content": "Hello!"})

    assert item.pop("id").startswith("msg_")
    assert item == {
        "type": "message",
        "role": "user",
        "content": [{"type": "text", "text": {"value": "Hello!", "annotations": []}}],
        "status": "completed",
        "run_id": None,
        "assistant_id": None,
        "assistant_name": None,
        "metadata": {},
    }


def test_parts_attachments_and_metadata_are_kept() -> None:
    [item] = read(
        {
            "role": "user",
            "content": [TEXT, URL, FILE],
            "attachments": [ATTACHED],
            "metadata": {"page": "3"},
        }
    )

    assert item["content"][1:] == [URL, FILE]
    assert item["content"][0]["text"]["value"] == "What is that?"
    assert (item["attachments"], item["metadata"]) == ([ATTACHED], {"page": "3"})


def test_what_may_be_null_may_be_missing() -> None:
    [item] = read({"role": "assistant", "content": "Hi", "attachments": None, "metadata": None})

    assert (item["role"], item["metadata"], "attachments" in item) == ("assistant", {}, False)
    assert read_new_messages(None, max_bytes=1) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"content": "Hello!"},
        {"role": "system", "content": "Hello!"},
        {"role": "user"},
        {"role": "user", "content": ""},
        {"role": "user", "content": []},
        {"role": "user", "content": 7},
        {"role": "user", "content": b"Hello!"},
        {"role": "user", "content": [{"type": "text", "text": ""}]},
        {"role": "user", "content": [{"type": "text", "text": {"value": "Hello!"}}]},
        {"role": "user", "content": [{"type": "audio", "text": "Hello!"}]},
        {"role": "user", "content": [TEXT | {"more": 1}]},
        {"role": "user", "content": ["Hello!"]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///a"}}]},
        {"role": "user", "content": [URL | {"image_url": {"url": "https://a/", "detail": "no"}}]},
        {"role": "user", "content": [{"type": "image_file", "image_file": {"file_id": ""}}]},
        {"role": "assistant", "content": [URL]},
        {"role": "user", "content": "\ud800"},
        {"role": "user", "content": "Hello!", "attachments": [{"file_id": "file-1"}]},
        {"role": "user", "content": "a", "attachments": [ATTACHED | {"tools": [{"type": "x"}]}]},
        {"role": "user", "content": "Hello!", "attachments": ["file-1"]},
        {"role": "user", "content": "Hello!", "name": "Eve"},
    ],
)
def test_what_cannot_be_a_message_is_refused(wrong: Any) -> None:
    with pytest.raises(errors.BadMessage):
        read({"role": "user", "content": "before"}, wrong)


@pytest.mark.parametrize("wrong", ["Hello!", {"role": "user", "content": "Hello!"}, 7, [7], ["a"]])
def test_what_is_no_list_of_mappings_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError):
        read_new_messages(wrong, max_bytes=1000)


def test_metadata_must_be_texts() -> None:
    with pytest.raises(TypeError, match="A text in a message's metadata must be a str"):
        read({"role": "user", "content": "Hello!", "metadata": {"page": 3}})


def test_there_may_be_as_many_and_as_large_ones_as_the_limits_allow() -> None:
    hello = {"role": "user", "content": "é" * 5}
    assert len(read(*[hello] * MOST_MESSAGES, max_bytes=10)) == MOST_MESSAGES
    with pytest.raises(errors.TooLarge, match="101 messages; 100 are allowed"):
        read(*[hello] * (MOST_MESSAGES + 1))
    with pytest.raises(errors.TooLarge, match="Message 1 has 11 bytes"):
        read(hello, {"role": "user", "content": [TEXT | {"text": "é" * 5 + "a"}]}, max_bytes=10)
