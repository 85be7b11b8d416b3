"""One slot per script: seen on the server, command by command, also those inside of scripts.

A cluster would refuse a script that touches two slots; a single server does not, so it is watched.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_TAG = re.compile(rb"\{(.*?)\}")
_WITHOUT_KEYS = frozenset({b"TIME", b"PUBLISH"})
_END = b"the end of what is watched"


@dataclass(frozen=True)
class Line:
    """One command, as MONITOR tells it."""

    words: tuple[bytes, ...]
    in_script: bool

    @classmethod
    def read(cls, line: bytes) -> Line:
        source, _, command = line.partition(b"] ")
        return cls(tuple(_WORD.findall(command)), source.endswith(b" lua"))

    @property
    def name(self) -> bytes:
        return self.words[0].upper() if self.words else b""

    def script_keys(self) -> tuple[bytes, ...]:
        """The keys of an EVAL or EVALSHA."""
        count = int(self.words[2])
        return self.words[3 : 3 + count]


@contextmanager
def one_slot_per_script(redis_url: str) -> Iterator[None]:
    """Watch the server; at the end, every script must have stayed in the slot of its keys.

    Raises:
        AssertionError: a script took keys of two slots, or touched a key outside of its slot.
    """
    parts = urlsplit(redis_url)
    address = (parts.hostname or "127.0.0.1", parts.port or 6379)
    with socket.create_connection(address) as watching, socket.create_connection(address) as other:
        watching.sendall(b"MONITOR\r\n")
        assert watching.recv(5) == b"+OK\r\n"
        yield
        other.sendall(b'ECHO "' + _END + b'"\r\n')
        wrong = list(violations(_lines(watching)))
    assert not wrong, "\n".join(wrong)


def _lines(watching: socket.socket) -> Iterator[Line]:
    with watching.makefile("rb") as file:
        for raw in file:
            line = Line.read(raw)
            if line.words == (b"ECHO", _END):
                return
            yield line


def violations(lines: Iterator[Line]) -> Iterator[str]:
    """What the scripts among these commands did wrong."""
    slot: bytes | None = None
    for line in lines:
        if line.name in (b"EVAL", b"EVALSHA") and not line.in_script:
            tags = {hash_tag(key) for key in line.script_keys()}
            if len(tags) > 1:
                yield f"keys of {len(tags)} slots: {line.script_keys()!r}"
            slot = tags.pop() if tags else None
        elif line.in_script and slot is not None and line.name not in _WITHOUT_KEYS:
            outside = [word for word in line.words[1:] if _is_outside(word, slot)]
            if outside or hash_tag(line.words[1]) != slot:
                yield f"outside of slot {slot!r}: {line.words!r}"


def hash_tag(key: bytes) -> bytes:
    """What decides the key's slot."""
    found = _TAG.search(key)
    return found[1] if found and found[1] else key


def _is_outside(word: bytes, slot: bytes) -> bool:
    return re.match(rb"\w+:\{..\}:", word) is not None and hash_tag(word) != slot
