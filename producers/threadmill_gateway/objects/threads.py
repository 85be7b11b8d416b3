"""Threads."""

from __future__ import annotations

from typing import Any

from threadmill_shared.records.thread import ThreadRecord


def thread(record: ThreadRecord, id: str) -> dict[str, Any]:
    """A thread, under the id by which the client knows it."""
    return new_thread(id, record.created_at, record.metadata, record.tool_resources)


def new_thread(
    id: str, created_at: int, metadata: dict[str, str], tool_resources: dict[str, Any]
) -> dict[str, Any]:
    """A thread that was just created; `created_at` is in milliseconds."""
    return {
        "id": id,
        "object": "thread",
        "created_at": created_at // 1000,
        "metadata": metadata,
        "tool_resources": tool_resources,
    }
