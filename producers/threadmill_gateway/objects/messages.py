"""Messages."""

from __future__ import annotations

from typing import Any

from threadmill_shared.records.objects import Message


def message(found: Message, thread_id: str) -> dict[str, Any]:
    """A message, in the thread that the client knows by this id."""
    is_complete = found.status == "completed"
    reason = found.incomplete_reason
    return {
        "id": found.id,
        "object": "thread.message",
        "created_at": found.created_at,
        "thread_id": thread_id,
        "status": found.status,
        "role": found.role,
        "content": [_part(part) for part in found.content],
        # A program takes all messages with a run's id for its answer.
        "run_id": None if found.role == "user" else found.run_id,
        "assistant_id": found.assistant_id,
        "attachments": [_attachment(one) for one in found.attachments],
        "metadata": found.metadata,
        "completed_at": found.created_at if is_complete and found.role == "assistant" else None,
        "incomplete_at": None if is_complete else found.created_at,
        "incomplete_details": {"reason": reason} if reason else None,
    }


def _part(part: Any) -> dict[str, Any]:
    fields: dict[str, Any] = part.model_dump(mode="json")
    kind = fields["type"]
    if kind in ("image_file", "image_url") and fields[kind].get("detail") is None:
        fields[kind]["detail"] = "auto"
    return fields


def _attachment(attachment: dict[str, Any]) -> dict[str, Any]:
    return {name: attachment[name] for name in ("file_id", "tools") if name in attachment}
