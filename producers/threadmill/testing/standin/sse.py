"""Server-sent events, encoded once and cheaply."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum, auto
from functools import lru_cache
from typing import Any, NamedTuple

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Kind(Enum):
    """What a frame is to the one who paces and cuts streams."""

    OPENING = auto()
    """Comes at once: no token, and the end of nothing."""
    TOKEN = auto()
    ENDING = auto()
    """Says that the answer is whole; a stream that is broken off never has it."""


class Frame(NamedTuple):
    """Some bytes of a stream."""

    kind: Kind
    data: bytes


def encode(value: Any) -> bytes:
    """Compact JSON in UTF-8."""
    try:
        return _JSON.encode(value).encode()
    except UnicodeEncodeError:  # half a surrogate pair: only the escaped form can carry it
        return json.dumps(value).encode()


@lru_cache(maxsize=4096)
def encode_token(token: str) -> bytes:
    """A token as a JSON string; most streams repeat the same few thousand."""
    return encode(token)


def event(data: Any, name: str | None = None) -> bytes:
    """One event, with a name if the protocol has names."""
    head = b"event: %b\n" % name.encode() if name else b""
    return b"%bdata: %b\n\n" % (head, encode(data))


def around(data: dict[str, Any], name: str | None, *holes: str) -> list[bytes]:
    """The bytes of an event before, between and after its holes.

    A hole is a value of `data` that no other string of it equals. What changes from token to token
    is put into the holes, so that nothing else is encoded more than once.
    """
    pieces = []
    rest = event(data, name)
    for hole in holes:
        before, rest = rest.split(encode(hole), 1)
        pieces.append(before)
    return [*pieces, rest]


def cut(frames: Iterator[Frame], after_tokens: int) -> Iterator[Frame]:
    """The frames up to and with token number `after_tokens`, and never the ending."""
    left = after_tokens
    for frame in frames:
        if frame.kind is Kind.ENDING or (frame.kind is Kind.TOKEN and not left):
            return
        yield frame
        left -= frame.kind is Kind.TOKEN
        if after_tokens and not left:
            return
