"""Messages, as they are stored in a thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from threadmill_shared import ids
from threadmill_shared.records.attachments import NOTHING, Attached
from threadmill_shared.records.files import FileFailure
from threadmill_shared.records.items import MessageItem, message_content, text_part
from threadmill_shared.records.run import RunRecord


@dataclass(frozen=True, slots=True)
class MessageNote:
    """What is kept beside a stored message, which never changes itself."""

    failures: dict[str, FileFailure] | None = None
    """Why attached files cannot be used, by their ids."""
    metadata: dict[str, str] | None = None
    """What was given later, in place of its own."""


@dataclass(frozen=True)
class NewMessage:
    """A message that is to be added to a thread."""

    item: MessageItem
    """As it is stored."""
    attached: Attached = NOTHING
    """The files that go beside the thread with it."""

    def digested(self) -> list[Any]:
        """What distinguishes it from other messages."""
        names = ("role", "content", "metadata", "attachments")
        return [self.item.get(name) for name in names]


def user_message(
    message_id: str,
    text: str,
    metadata: Mapping[str, str] | None = None,
    attached: Attached = NOTHING,
) -> MessageItem:
    """A user's message, as it is stored."""
    item: MessageItem = {
        "type": "message",
        "id": message_id,
        "role": "user",
        "content": [text_part(text)],
        "status": "completed",
        "run_id": None,
        "assistant_id": None,
        "assistant_name": None,
        "metadata": dict(metadata or {}),
    }
    return with_attached(item, attached)


def with_attached(item: MessageItem, attached: Attached) -> MessageItem:
    """The message that attaches these files and images, too."""
    made: MessageItem = {**item, "content": [*item["content"], *attached.images]}
    if attached.attachments:
        made["attachments"] = [*item.get("attachments", ()), *attached.attachments]
    return made


def assistant_message(
    record: RunRecord,
    index: int,
    text: str,
    *,
    reason: str | None = None,
    enclosed: Mapping[str, Any] | None = None,
) -> MessageItem:
    """A run's message number `index`, as it is stored; with a reason it is incomplete."""
    item: MessageItem = {
        "type": "message",
        "id": ids.run_message_id(record.id, index),
        "role": "assistant",
        "content": message_content(text, enclosed or {}),
        "status": "incomplete" if reason else "completed",
        "run_id": record.id,
        "assistant_id": record.request.assistant_id,
        "assistant_name": record.request.assistant_name,
        "metadata": {},
    }
    if reason:
        item["reason"] = reason
    if enclosed and enclosed.get("attachments"):
        item["attachments"] = enclosed["attachments"]
    return item
