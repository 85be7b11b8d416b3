"""The frames of a gateway's streams."""

from __future__ import annotations

from typing import Any

from threadmill_gateway.answers.api_error import ApiError
from threadmill_shared.events.frames import frame as event_frame

KEEP_ALIVE = b": ping\n"
"""A comment without an empty line behind it: with one, SDKs for Python take the number of the last
event and this comment for an event without data, and fail."""
DONE = b"event: done\ndata: [DONE]\n\n"


def frame(name: str, data: Any, number: int | None = None) -> bytes:
    """One event; its number in the run's log is what a client may resume from."""
    return DONE if name == "done" else event_frame(name, data, number)


def error_frame(error: ApiError) -> bytes:
    """The event that ends a stream which cannot go on."""
    return frame("error", error.event)
