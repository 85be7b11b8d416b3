"""Messages straight from the store to an answer: most are plain text, and lists have many.

Interpreting one takes five times as long as the rest of what a list does with it. `plain` has what
that comes to for a message of text alone; every other one goes the long way, and tests compare.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from threadmill_gateway.objects import messages
from threadmill_shared.records.stored_message import StoredMessage

_TEXT_PART = {"type", "text"}
_TEXT = {"value", "annotations"}


def message(stored: StoredMessage, thread_id: str) -> dict[str, Any]:
    """A message, in the thread that the client knows by this id.

    Raises:
        StoreIncompatible: this release cannot read it.
    """
    if stored.note is None and (found := plain(from_json(stored.item), stored.at, thread_id)):
        return found
    return messages.message(stored.read(thread_id), thread_id)


def plain(item: dict[str, Any], at: int, thread_id: str) -> dict[str, Any] | None:
    """The same of a completed message that is text alone; None: this one is not."""
    is_plain = (
        item.get("status") == "completed"
        and item.get("role") in ("user", "assistant")
        and item.get("reason") is None
        and not item.get("attachments")
        and all(map(_is_plain_text, item["content"]))
    )
    if not is_plain:
        return None
    is_assistant = item["role"] == "assistant"
    return {
        "id": item["id"],
        "object": "thread.message",
        "created_at": at // 1000,
        "thread_id": thread_id,
        "status": "completed",
        "role": item["role"],
        "content": item["content"],
        "run_id": item["run_id"] if is_assistant else None,
        "assistant_id": item["assistant_id"],
        "attachments": [],
        "metadata": item["metadata"],
        "completed_at": at // 1000 if is_assistant else None,
        "incomplete_at": None,
        "incomplete_details": None,
    }


def _is_plain_text(part: dict[str, Any]) -> bool:
    text = part.get("text")
    return (
        part.keys() == _TEXT_PART
        and part["type"] == "text"
        and text.__class__ is dict
        and text.keys() == _TEXT
        and text["value"].__class__ is str
        and text["annotations"] == []
    )
