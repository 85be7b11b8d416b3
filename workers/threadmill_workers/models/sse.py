"""Server-sent events: from bytes, cut anywhere, to the data of whole events.

Of an event only its data is of use here, since the providers repeat the event's name in it. Bytes
stay bytes until the JSON parser reads them, so a cut inside a character does no harm.
"""

from __future__ import annotations

from threadmill_shared.errors import ModelGarbled

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""The largest event of a stream repeats the whole answer once; more than this is no event."""

_OTHER_FIELDS = (b"event:", b":", b"id:", b"retry:")
"""What a line without data may begin with; the lone colon begins a comment."""


class EventSplitter:
    """Collects the chunks of one stream and gives out the data of each event as it ends."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        """Chunks of an event that has not ended."""
        self._size = 0
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes, and return the data of the events that they complete.

        Raises:
            ModelGarbled: the bytes are not an event stream.
        """
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
        elif line and not line.startswith(_OTHER_FIELDS):
            raise ModelGarbled(
                "The model provider's response is not an event stream; check that OPENAI_BASE_URL"
                " names an OpenAI-compatible API that can stream."
            )
    return b"\n".join(data) if data else None
