"""The stream for printed text. Its errors never reach the run."""

from __future__ import annotations

import io
import os
import select
from typing import TextIO


class StreamWriter:
    """Writes to a stream until that fails; after that it writes nothing.

    A reader that has exited (`| head`) or a closed stdout must not end a run.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """Opens nothing; None, as in a process without a stdout, is silent."""
        self._stream = stream
        self._is_broken = stream is None

    def write(self, text: str) -> None:
        """Write the text and flush it; characters that the encoding lacks become `?`."""
        if self._is_broken or self._stream is None:
            return
        try:
            _deliver(self._stream, text)
        except (OSError, ValueError):
            self._is_broken = True


def encoding_of(stream: TextIO | None) -> str:
    """The stream's encoding; UTF-8 if it does not name one."""
    return getattr(stream, "encoding", None) or "utf-8"


def _deliver(stream: TextIO, text: str) -> None:
    encoding = encoding_of(stream)
    data = text.encode(encoding, "replace")
    stream.flush()
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    if isinstance(raw, io.FileIO) and os.linesep == "\n":
        _write_all(raw, data)
    else:
        stream.write(data.decode(encoding))
        stream.flush()


def _write_all(raw: io.FileIO, data: bytes) -> None:
    # Bypasses the buffer: what a broken pipe rejects would stay in it, and be rejected again, with
    # a traceback and exit code 120, when the interpreter flushes its streams at exit.
    rest = memoryview(data)
    while rest:
        written = raw.write(rest)
        if written is None:
            select.select([], [raw], [])
        else:
            rest = rest[written:]
