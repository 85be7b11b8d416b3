"""A proxy that shares one connection to Redis among all its clients, as poolers do."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

_BULKS = b"$=!"
_LISTS = b"*~>"
_MAPS = b"%"


class SharingProxy:
    """Sends the commands of all clients over one connection, one after the other."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._turn = asyncio.Lock()
        self._clients: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        port: int = self._server.sockets[0].getsockname()[1]
        return f"redis://127.0.0.1:{port}/0"

    async def __aenter__(self) -> Self:
        self._there, self._back = await asyncio.open_connection("127.0.0.1", self._target)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in [self._back, *self._clients]:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                command = await _value(reader)
                async with self._turn:
                    self._back.write(command)
                    writer.write(await _value(self._there))
                await writer.drain()
        self._clients.discard(writer)
        writer.close()


async def _value(reader: asyncio.StreamReader) -> bytes:
    """The bytes of one command or answer."""
    line = await reader.readuntil(b"\r\n")
    kind, length = line[:1], line[1:-2]
    if kind in _BULKS and length != b"-1":
        return line + await reader.readexactly(int(length) + 2)
    if kind in _LISTS or kind in _MAPS:
        count = max(int(length), 0) * (2 if kind in _MAPS else 1)
        return line + b"".join([await _value(reader) for _ in range(count)])
    return line
