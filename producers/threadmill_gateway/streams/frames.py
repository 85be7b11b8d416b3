"""The frames of a gateway's streams."""

from __future__ import annotations

from typing import Any

from threadmill_gateway.answers.api_error import ApiError
from threadmill_shared.events.frames import frame as event_frame

KEEP_ALIVE = b": ping\n"
"""A comment without an empty line behind it: with one, SDKs for Python take the number of the last
event and this comment for an event without data, and fail."""
DONE = b"event: done\ndata: [DONE]\n\n"

OWN = "threadmill."
"""What the names of events begin with that the Assistants API does not have."""
CAUSE = "cause"


def frame(name: str, data: Any, number: int | None = None) -> bytes:
    """One event; its number in the run's log is what a client may resume from."""
    return DONE if name == "done" else event_frame(name, data, number)


def error_frame(error: ApiError) -> bytes:
    """The event that ends a stream which cannot go on."""
    return frame("error", error.event)


def shown(name: str, data: Any, thread_id: str = "") -> Any:
    """An event's data as clients are shown it.

    Args:
        name: of the event.
        data: as the log has it.
        thread_id: of the run's thread, as the client knows it; empty: as it is stored.
    """
    if data.__class__ is not dict:
        return data
    if thread_id and data.get("thread_id", thread_id) != thread_id:
        return data | {"thread_id": thread_id}
    if "error" in data and name.startswith(OWN):
        # At this member SDKs raise, whatever the event is; so nothing of the Assistants API has it.
        return {CAUSE if member == "error" else member: value for member, value in data.items()}
    return data
