"""The quick way of messages into an answer gives what the long way gives."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from threadmill_gateway.objects import messages, stored_messages
from threadmill_shared.errors import StoreIncompatible
from threadmill_shared.records.messages import MessageNote
from threadmill_shared.records.stored_message import StoredMessage

texts = some.text(some.characters(codec="utf-8"), max_size=20)
annotations = some.lists(
    some.fixed_dictionaries(
        {"type": some.just("file_citation"), "start_index": some.just(0), "end_index": some.just(0)}
    ),
    max_size=1,
)
text_parts = some.fixed_dictionaries(
    {
        "type": some.just("text"),
        "text": some.fixed_dictionaries({"value": texts}, optional={"annotations": annotations}),
    }
)
image_parts = some.fixed_dictionaries(
    {
        "type": some.just("image_url"),
        "image_url": some.fixed_dictionaries({"url": texts}, optional={"detail": some.just("low")}),
    }
)
items = some.fixed_dictionaries(
    {
        "id": some.just("msg_1"),
        "type": some.just("message"),
        "role": some.sampled_from(["user", "assistant"]),
        "status": some.sampled_from(["completed", "completed", "incomplete", "in_progress"]),
        "content": some.lists(some.one_of(text_parts, text_parts, image_parts), max_size=3),
        "run_id": some.sampled_from([None, "run_1"]),
        "assistant_id": some.sampled_from([None, "asst_1"]),
        "assistant_name": some.sampled_from([None, "ai"]),
        "metadata": some.dictionaries(texts, texts, max_size=2),
    },
    optional={
        "reason": some.sampled_from(["max_tokens", "run_failed"]),
        "attachments": some.lists(
            some.just({"file_id": "file_1", "tools": [{"type": "file_search"}], "bytes": 3}),
            max_size=1,
        ),
        "later": texts,
    },
)
notes = some.one_of(
    some.none(), some.builds(MessageNote, metadata=some.dictionaries(texts, texts, max_size=2))
)


@given(items, some.integers(0, 2**41), notes)
def test_a_message_is_the_same_both_ways(
    item: dict[str, Any], at: int, note: MessageNote | None
) -> None:
    stored = StoredMessage(json.dumps(item), at, note)
    try:
        expected = messages.message(stored.read("thread_1"), "thread_2")
    except StoreIncompatible:
        return
    assert stored_messages.message(stored, "thread_2") == expected


@given(items)
def test_most_messages_go_the_quick_way(item: dict[str, Any]) -> None:
    is_plain = (
        item["status"] == "completed"
        and "reason" not in item
        and not item.get("attachments")
        and all(part.get("text", {}).get("annotations") == [] for part in item["content"])
    )
    assert (stored_messages.plain(item, 0, "thread_1") is not None) == is_plain
