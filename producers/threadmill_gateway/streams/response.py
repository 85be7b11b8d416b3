"""The HTTP response that carries a stream."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from threadmill_gateway.streams.run_stream import RunStream

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # nginx would keep the events back otherwise.
    (b"x-accel-buffering", b"no"),
]


class StreamResponse:
    """Sends a stream as it comes, until the client has gone.

    A client that reads slowly holds up its own stream only: the next chunk is made when the one
    before has been taken. One that has gone ends nothing but its stream; the run continues.
    """

    def __init__(self, stream: RunStream) -> None:
        """Nothing is sent yet; the stream is closed when it is over."""
        self._stream = stream
        self._has_gone = False
        """Whether the client has closed the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, as ASGI has it; to HEAD only that there is one."""
        if scope["method"] == "HEAD":
            await self._stream.close()
            await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
            await send({"type": "http.response.body"})
            return
        listening = asyncio.ensure_future(_disconnect(receive))
        sending: Any = asyncio.current_task()

        def end_sending(_: object) -> None:
            self._has_gone = not listening.cancelled()
            if self._has_gone:
                sending.cancel()

        listening.add_done_callback(end_sending)
        try:
            with suppress(OSError):
                await self._send(send)
        except asyncio.CancelledError:
            if not self._has_gone or sending.uncancel():
                raise
        finally:
            listening.remove_done_callback(end_sending)
            listening.cancel()
            await self._stream.close()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
        # Nothing of a chunk is kept while the next one is waited for.
        while part := _part(await self._stream.next()):
            await send(part.pop())
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _part(chunk: bytes | None) -> list[Message]:
    return [{"type": "http.response.body", "body": chunk, "more_body": True}] if chunk else []


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
