"""Clients that read streams, as cheaply as possible: `python -m processes.stream_reader PORT FILE`.

It opens a connection for each path that is a line of the file. For each line of its input it prints
how many events have come, how many bytes, and how many of the streams have begun.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

_HOST = "127.0.0.1"


class Counts:
    """What all streams have brought."""

    events = 0
    size = 0
    begun = 0


class Reader(asyncio.Protocol):
    """Reads one stream."""

    def __init__(self, path: str, counts: Counts) -> None:
        self._path = path
        self._counts = counts
        self._has_begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        request = f"GET {self._path} HTTP/1.1\r\nHost: {_HOST}\r\n\r\n"
        assert isinstance(transport, asyncio.Transport)
        transport.write(request.encode())

    def data_received(self, data: bytes) -> None:
        """Count what has come; a frame that is cut is counted with its last byte but one."""
        self._counts.events += data.count(b"}\n\n")
        self._counts.size += len(data)
        if not self._has_begun:
            self._has_begun = True
            self._counts.begun += 1


async def read(port: int, paths: list[str]) -> None:
    """Read until the input ends."""
    counts = Counts()
    loop, input_lines = asyncio.get_running_loop(), asyncio.StreamReader()
    for path in paths:
        await loop.create_connection(partial(Reader, path, counts), _HOST, port)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(input_lines), sys.stdin)
    while await input_lines.readline():
        print(counts.events, counts.size, counts.begun, flush=True)


if __name__ == "__main__":
    asyncio.run(read(int(sys.argv[1]), Path(sys.argv[2]).read_text().split()))
