"""The HTTP response that carries a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from starlette.types import Receive, Scope, Send

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # nginx would keep the events back otherwise.
    (b"x-accel-buffering", b"no"),
]


class StreamResponse:
    """Sends chunks as they come, until the client has gone.

    A client that reads slowly holds up its own stream only: the next chunk is made when the one
    before has been taken. One that has gone ends nothing but its stream; the run continues.
    """

    def __init__(self, chunks: AsyncIterator[bytes], on_end: Callable[[], None]) -> None:
        """Nothing is sent yet; `on_end` is called once the stream is over."""
        self._chunks = chunks
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's signature
        """Send the stream, as ASGI has it."""
        sending = asyncio.ensure_future(self._send(send))
        listening = asyncio.ensure_future(_disconnect(receive))
        try:
            await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
            if not sending.done():
                sending.cancel()
            self._on_end()
        with suppress(asyncio.CancelledError, OSError):
            await sending

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
        async for chunk in self._chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
