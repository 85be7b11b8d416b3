"""One slot per script: seen on the server, command by command, also those inside of scripts.

A cluster refuses a script that touches a slot of another node. A single server refuses nothing, nor
does the node of a cluster that has both slots, so all of them are watched.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from threadmill_shared.ids import BUCKETS

_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_TAG = re.compile(rb"\{(.*?)\}")
_WITHOUT_KEYS = frozenset({b"INFO", b"TIME", b"PUBLISH", b"PUBSUB"})
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
    with ExitStack() as open_now:
        watched = [open_now.enter_context(_watched(*address)) for address in _addresses(redis_url)]
        yield
        is_cluster = len(watched) > 1
        wrong = [one for lines in watched for one in violations(lines(), is_cluster=is_cluster)]
    assert not wrong, "\n".join(wrong)


def _addresses(redis_url: str) -> list[tuple[str, int]]:
    """The server, or all nodes of the cluster, that the URL names."""
    named = (address.partition(":") for address in urlsplit(redis_url).netloc.split(","))
    return [(host, int(port)) for host, _, port in named]


@contextmanager
def _watched(host: str, port: int) -> Iterator[Callable[[], Iterator[Line]]]:
    """Watch one server; what is yielded gives all that it was sent meanwhile."""
    address = (host, port)
    with socket.create_connection(address) as watching, socket.create_connection(address) as other:
        watching.sendall(b"MONITOR\r\n")
        assert watching.recv(5) == b"+OK\r\n"

        def lines() -> Iterator[Line]:
            other.sendall(b'ECHO "' + _END + b'"\r\n')
            return _lines(watching)

        yield lines


def _lines(watching: socket.socket) -> Iterator[Line]:
    with watching.makefile("rb") as file:
        for raw in file:
            line = Line.read(raw)
            if line.words == (b"ECHO", _END):
                return
            yield line


def violations(lines: Iterator[Line], *, is_cluster: bool) -> Iterator[str]:
    """What the scripts among these commands did wrong.

    A script that is given the prefixes of all buckets is a look at all of them, as only a single
    server may be asked for.
    """
    slot: bytes | None = None
    for line in lines:
        if line.name in (b"EVAL", b"EVALSHA") and not line.in_script:
            tags = {hash_tag(key) for key in line.script_keys()}
            if len(tags) > 1:
                yield f"keys of {len(tags)} slots: {line.script_keys()!r}"
            slot = tags.pop() if tags else None
            if not is_cluster and sum(map(_is_prefix, line.words)) == BUCKETS:
                slot = None
        elif line.in_script and slot is not None and line.name not in _WITHOUT_KEYS:
            outside = [word for word in line.words[1:] if _is_outside(word, slot)]
            if outside or hash_tag(line.words[1]) != slot:
                yield f"outside of slot {slot!r}: {line.words!r}"


def hash_tag(key: bytes) -> bytes:
    """What decides the key's slot."""
    found = _TAG.search(key)
    return found[1] if found and found[1] else key


def _is_prefix(word: bytes) -> bool:
    return re.fullmatch(rb"\w+:\{..\}:", word) is not None


def _is_outside(word: bytes, slot: bytes) -> bool:
    return re.match(rb"\w+:\{..\}:", word) is not None and hash_tag(word) != slot
