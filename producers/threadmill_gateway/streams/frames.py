"""Server-sent events as bytes."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from threadmill_gateway.answers.api_error import ApiError

KEEP_ALIVE = b": ping\n"
"""A comment without an empty line behind it: with one, SDKs for Python take the number of the last
event and this comment for an event without data, and fail."""
DONE = b"event: done\ndata: [DONE]\n\n"


def frame(name: str, data: Any, number: int | None = None) -> bytes:
    """One event; its number in the run's log is what a client may resume from."""
    if name == "done":
        return DONE
    # Of the parser's line ends only \n and \r can be in JSON, and both are escaped there.
    numbered = b"" if number is None else b"id: %d\n" % number
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), numbered, to_json(data))


def error_frame(error: ApiError) -> bytes:
    """The event that ends a stream which cannot go on."""
    return frame("error", error.event)
