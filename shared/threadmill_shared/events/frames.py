"""Server-sent events as bytes."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from threadmill_shared.records import lenient

_LINE_ENDS = (
    (b"\xc2\x85", b"\\u0085"),
    (b"\xe2\x80\xa8", b"\\u2028"),
    (b"\xe2\x80\xa9", b"\\u2029"),
)
"""What JSON need not escape, and some parsers of streams take for the end of a line."""


def frame(name: str, data: Any, number: int | None = None) -> bytes:
    """One event: its name, its data as one line, and an empty line.

    Args:
        name: of the event.
        data: plain JSON. `[DONE]`, which ends a stream, is sent as it is.
        number: what a client may resume from, the `id` of the frame; None: it has none.
    """
    numbered = b"" if number is None else b"id: %d\n" % number
    line = b"[DONE]" if data == "[DONE]" else _json_line(data)
    return b"event: %s\n%sdata: %s\n\n" % (_one_line(name).encode(), numbered, line)


def _one_line(name: str) -> str:
    if name.isprintable():
        return name
    return "".join(one if one.isprintable() else " " for one in name)


def _json_line(data: Any) -> bytes:
    try:
        line = to_json(data, inf_nan_mode="null")
    except ValueError:  # half of a surrogate pair, or too deep
        line = to_json(lenient.storable(data))
    if not line.isascii():
        for character, escaped in _LINE_ENDS:
            line = line.replace(character, escaped)
    return line
