"""An HTTP proxy that loses answers: what was asked is done, and the client hears nothing.

It understands what OpenAI's packages and the gateway say to each other: bodies with a length or in
chunks, and connections that stay open.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Self

_LIMIT = 2**24


@dataclass
class Heard:
    """A request or an answer."""

    head: bytes
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    """As they came, if the body comes in chunks."""

    @property
    def method(self) -> str:
        return self.head.partition(b" ")[0].decode()

    @property
    def path(self) -> str:
        return self.head.split(b" ")[1].decode()

    def header(self, name: str) -> str:
        found = re.search(rb"(?mi)^%s: *(.*?)\r$" % name.encode(), self.head)
        return found[1].decode() if found else ""

    @property
    def tries(self) -> int | None:
        """How often the client has sent it before, if it says so."""
        given = self.header("x-stainless-retry-count")
        return int(given) if given else None

    @property
    def content(self) -> bytes:
        """The body without what stands between the parts of a form."""
        boundary = self.header("content-type").partition("boundary=")[2].strip('"')
        return self.body.replace(boundary.encode(), b"") if boundary else self.body


class LosingProxy:
    """Passes requests on to a port of this machine, and loses the first answers to each.

    Of a stream, it loses all that comes behind the head.
    """

    def __init__(self, port: int, *, keeps_connections: bool) -> None:
        """It listens within its `with` block.

        Args:
            port: the server's.
            keeps_connections: whether the server's connection stays open when an answer is lost.
        """
        self.losses = 1
        """How many answers to each request are lost."""
        self.lost: list[bytes] = []
        """The bodies of lost answers; of a stream, what has come of it."""
        self.requests: list[Heard] = []
        self._target = port
        self._keeps = keeps_connections
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        begin = asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_LIMIT)
        self._server = asyncio.run_coroutine_threadsafe(begin, self._loop).result()
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _, back in self._idle:
            await _close(back)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            await _close(writer)
            self._tasks.discard(task)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Pass one request on; False: its answer is lost, and with it the connection."""
        request = Heard(await reader.readuntil(b"\r\n\r\n"))
        if length := request.header("content-length"):
            request.body = await reader.readexactly(int(length))
        self.requests.append(request)
        is_lost = request.method in ("POST", "DELETE") and self._tries_of(request) < self.losses
        there, back = await self._connected()
        back.write(request.head + request.body)
        answer = Heard(await there.readuntil(b"\r\n\r\n"))
        if not is_lost:
            writer.write(answer.head)
        is_stream = "event-stream" in answer.header("content-type")
        async for piece in _pieces(there, answer):
            answer.chunks.append(piece)
            if not is_lost:
                writer.write(piece)
                await writer.drain()
            elif is_stream:
                break
        if not is_lost:
            self._idle.append((there, back))
            return True
        self.lost.append(b"".join(answer.chunks))
        if self._keeps and not is_stream:
            self._idle.append((there, back))
        else:
            await _close(back)
        writer.transport.abort()
        return False

    def _tries_of(self, request: Heard) -> int:
        """What the client says; of one that says nothing, the number of equal requests before."""
        if request.tries is not None:
            return request.tries
        return sum(_is_equal(request, one) for one in self.requests) - 1

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            there, back = self._idle.pop()
            if not there.at_eof():
                return there, back
        return await asyncio.open_connection("127.0.0.1", self._target, limit=_LIMIT)


def _is_equal(one: Heard, other: Heard) -> bool:
    key = "idempotency-key"
    return (one.method, one.path, one.content, one.header(key)) == (
        *(other.method, other.path, other.content, other.header(key)),
    )


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _pieces(there: asyncio.StreamReader, heard: Heard) -> AsyncIterator[bytes]:
    """The pieces of a body, as they come."""
    if length := heard.header("content-length"):
        yield await there.readexactly(int(length))
        return
    size = -1
    while size:
        line = await there.readline()
        size = int(line, 16)
        yield line + await there.readexactly(size + 2)
