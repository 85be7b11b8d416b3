"""A TCP proxy that can go silent, as a host does that has vanished."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self


class Proxy:
    """Passes bytes on to a port of this machine, until it is silenced."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._silenced: set[asyncio.StreamWriter] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def lead_to(self, port: int) -> None:
        """Pass new connections on to another port."""
        self._target = port

    def silence(self) -> None:
        """Pass nothing on any more on the connections that are open.

        New ones are passed on, as they are to whoever took the place of the host.
        """
        self._silenced |= self._open

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._open.add(writer)
        try:
            await asyncio.gather(
                self._pump(reader, back, writer), self._pump(there, writer, writer)
            )
        finally:
            self._open.discard(writer)
            writer.close()
            back.close()

    async def _pump(
        self, reader: asyncio.StreamReader, to: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if client not in self._silenced:
                    to.write(data)
                    await to.drain()
        to.close()
