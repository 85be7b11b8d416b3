"""Server-sent events: from bytes, cut anywhere, to the data of whole events.

Of an event only its data is of use here, since the providers repeat the event's name in it. Bytes
stay bytes until the JSON parser reads them, so a cut inside a character does no harm.

Some servers answer with a JSON document although a stream was asked for; it counts as the data of
one event that ends with the body.
"""

from __future__ import annotations

import re

from threadmill_shared.errors import ModelGarbled

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""The largest event of a stream repeats the whole answer once; more than this is no event."""

_OTHER_FIELDS = (b"event:", b":", b"id:", b"retry:")
"""What a line without data begins with; the lone colon begins a comment."""
_UNKNOWN_FIELD = re.compile(rb"[A-Za-z_-]{1,40}:.*|data|event|id|retry", re.DOTALL)
"""Lines that the standard says to pass over, as far as they cannot be of a page or a document."""
_PINGS = frozenset((b"event: ping", b"event:ping", b"event: keepalive", b"event:keepalive"))
"""Names of events whose data means nothing."""
_BOM = b"\xef\xbb\xbf"


class EventSplitter:
    """Collects the chunks of one stream and gives out the data of each event as it ends."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        """Chunks of an event that has not ended."""
        self._size = 0
        self._after_cr = False
        self._is_stream = False
        """Whether the body has begun, and is a stream."""
        self._is_document = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes, and return the data of the events that they complete.

        Raises:
            ModelGarbled: the bytes are not an event stream.
        """
        if not self._is_stream and not (chunk := self._begin(chunk)):
            return []
        if self._after_cr or b"\r" in chunk:
            chunk = self._with_plain_line_ends(chunk)
        if self._parts:
            # Joined only when an event may end: a large one comes in many chunks.
            if b"\n" not in chunk:
                self._keep(chunk)
                return []
            chunk = b"".join((*self._parts, chunk))
            self._parts.clear()
            self._size = 0
        *events, rest = chunk.split(b"\n\n")
        if rest:
            self._keep(rest)
        return [data for event in events if (data := _data_of(event)) is not None]

    def close(self) -> bytes:
        """Return the data of the last event, which may have been cut; empty if there is none."""
        rest = b"".join(self._parts)
        if self._is_document:
            return rest
        lines = [line for line in rest.split(b"\n") if line.startswith(b"data:")]
        return b"\n".join(line[5:].strip() for line in lines)

    def _begin(self, chunk: bytes) -> bytes:
        """Keep the first bytes until they tell what the body is; returns those of a stream."""
        if self._is_document:
            self._keep(chunk)
            return b""
        start = b"".join((*self._parts, chunk)).removeprefix(_BOM).lstrip()
        self._is_document = start.startswith((b"{", b"["))
        self._is_stream = not self._is_document and not _BOM.startswith(start)
        self._parts = [] if self._is_stream else [start]
        return start if self._is_stream else b""

    def _with_plain_line_ends(self, chunk: bytes) -> bytes:
        # A line that ended with CR at a chunk's end has ended: waiting for a possible LF would
        # hold its event back. So the LF is dropped when it comes.
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _keep(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        if self._size > MAX_EVENT_BYTES:
            raise ModelGarbled(
                f"The model provider sent more than {MAX_EVENT_BYTES} bytes without the end of an"
                " event; check that OPENAI_BASE_URL names an OpenAI-compatible API."
            )


def _data_of(event: bytes) -> bytes | None:
    """The event's data lines, joined; None if it has none."""
    data = []
    for line in event.split(b"\n"):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif line.startswith(_OTHER_FIELDS):
            if line in _PINGS:
                return None
        elif line and not _UNKNOWN_FIELD.fullmatch(line):
            raise ModelGarbled(
                "The model provider's response is not an event stream; check that OPENAI_BASE_URL"
                " names an OpenAI-compatible API that can stream."
            )
    return b"\n".join(data) if data else None
