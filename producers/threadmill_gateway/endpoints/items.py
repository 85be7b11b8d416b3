"""From the messages that a client sends to the items that are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from threadmill_gateway.bodies.messages import MessageBody, Part
from threadmill_shared import ids
from threadmill_shared.records.items import MessageItem, text_part
from threadmill_shared.run_request import check_message
from threadmill_shared.settings import Settings


def message_items(
    messages: Sequence[MessageBody], settings: Settings
) -> list[tuple[str, MessageItem]]:
    """New messages with their ids.

    Raises:
        TooLarge, BadMessage: one cannot be stored.
    """
    return [message_item(one, settings) for one in messages]


def message_item(body: MessageBody, settings: Settings) -> tuple[str, MessageItem]:
    """A new message, and its id.

    Raises:
        TooLarge, BadMessage: it cannot be stored.
    """
    id = ids.new_message_id()
    content = [text_part(body.content)] if isinstance(body.content, str) else _parts(body.content)
    for part in content:
        if part["type"] == "text":
            check_message(part["text"]["value"], settings)
    item: MessageItem = {
        "type": "message",
        "id": id,
        "role": body.role,
        "content": content,
        "status": "completed",
        "run_id": None,
        "assistant_id": None,
        "assistant_name": None,
        "metadata": body.metadata or {},
    }
    return id, item


def _parts(parts: Sequence[Part]) -> list[dict[str, Any]]:
    return [
        text_part(part.text) if part.type == "text" else part.model_dump(exclude_none=True)
        for part in parts
    ]
