"""One HTTP exchange: an answer on its way to the client, token by token."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Iterator

from aiohttp import web

from threadmill.testing.standin.faults import Cut, Interruption, Refusal
from threadmill.testing.standin.output import Output
from threadmill.testing.standin.records import Record
from threadmill.testing.standin.replies import Pause, Reply
from threadmill.testing.standin.sse import Frame, Kind, cut, encode

_STREAM_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER for zero seconds: closing resets the connection, as a provider's crash does."""
_POLL_SECONDS = 0.005


class Exchange:
    """Gives one client its answer, in the form and at the pace that were decided."""

    def __init__(self, http: web.Request, record: Record, delay: float) -> None:
        self._http = http
        self._record = record
        self._delay = delay

    async def stream(self, output: Output, reply: Reply) -> web.StreamResponse:
        """Stream the whole reply."""
        response = await self._open()
        await self._play(response, output.frames(), reply)
        return response

    async def send(self, output: Output, reply: Reply) -> web.StreamResponse:
        """Answer in one piece, after the time that a stream would have taken."""
        tokens = sum(len(part.tokens) for part in reply.parts)
        await asyncio.sleep(reply.first_delay + self._delay_of(reply) * max(0, tokens - 1))
        await self._wait_for_end_of(reply.pause, tokens)
        return self._json(200, output.whole())

    async def refuse(self, refusal: Refusal) -> web.StreamResponse:
        """Answer with an HTTP error."""
        retry_after = refusal.retry_after
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return self._json(refusal.http_status, error_body(refusal), headers)

    async def interrupt(self, output: Output, fault: Interruption) -> web.StreamResponse:
        """Stream the beginning of a reply, then break it off."""
        if fault.after_tokens is None:
            return await self._break_off(web.StreamResponse(), output, fault)
        response = await self._open()
        begun = cut(output.frames(), fault.after_tokens)
        await self._play(response, begun, fault.reply)
        return await self._break_off(response, output, fault)

    async def interrupt_whole(self, output: Output, fault: Interruption) -> web.StreamResponse:
        """The same for an answer in one piece: nothing of it, or something else."""
        match fault.cut:
            case Cut.DROP | Cut.HANG:
                return await self._break_off(web.StreamResponse(), output, fault)
            case Cut.FAILED | Cut.ERROR:
                return await self.refuse(Refusal(500, fault.message, fault.code))
            case Cut.GARBAGE:
                return self._json(200, fault.data)
            case Cut.END:
                return self._json(200, output.whole()[:-1])

    async def _open(self) -> web.StreamResponse:
        response = web.StreamResponse(headers=_STREAM_HEADERS)
        response.enable_chunked_encoding()
        await response.prepare(self._http)
        self._record.status = 200
        return response

    async def _play(
        self, response: web.StreamResponse, frames: Iterator[Frame], reply: Reply
    ) -> None:
        """Write each token by itself and in its time, and what is between tokens at once."""
        pace = Pace(reply.first_delay, self._delay_of(reply))
        times = self._record.token_times
        between: list[bytes] = []
        for frame in frames:
            if frame.kind is not Kind.TOKEN:
                between.append(frame.data)
                continue
            if between:
                await response.write(b"".join(between))
                between.clear()
            await pace.wait()
            await self._wait_for_end_of(reply.pause, len(times))
            times.append(time.monotonic())
            await response.write(frame.data)
        await self._wait_for_end_of(reply.pause, len(times))
        await response.write(b"".join(between))

    async def _wait_for_end_of(self, pause: Pause | None, sent: int) -> None:
        """Wait here if the answer pauses after so many tokens; polled, as any thread may end it."""
        while pause is not None and sent >= pause.after_tokens and not pause.is_over:
            await asyncio.sleep(_POLL_SECONDS)

    async def _break_off(
        self, response: web.StreamResponse, output: Output, fault: Interruption
    ) -> web.StreamResponse:
        match fault.cut:
            case Cut.HANG:
                await asyncio.Event().wait()
            case Cut.DROP:
                await self._reset()
            case Cut.GARBAGE:
                await response.write(fault.data)
            case Cut.FAILED:
                await response.write(output.failed(fault.code, fault.message))
            case Cut.ERROR:
                await response.write(output.error(fault.code, fault.message))
            case Cut.END:
                pass
        return response

    async def _reset(self) -> None:
        # What was written before must have left this process: resetting throws away the rest.
        await asyncio.sleep(0)
        transport = self._http.transport
        if transport is not None:
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()

    def _json(
        self, status: int, body: bytes, headers: dict[str, str] | None = None
    ) -> web.StreamResponse:
        self._record.status = status
        return web.Response(
            status=status, body=body, headers=headers, content_type="application/json"
        )

    def _delay_of(self, reply: Reply) -> float:
        return self._delay if reply.delay is None else reply.delay


class Pace:
    """Waits for each token's time; one that was late does not make the others late."""

    def __init__(self, first_delay: float, delay: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + first_delay
        self._delay = delay

    async def wait(self) -> None:
        """Return when the next token is due, and never without letting others run."""
        await asyncio.sleep(max(0.0, self._due - self._loop.time()))
        self._due += self._delay


def error_body(refusal: Refusal) -> bytes:
    """The JSON of an HTTP error."""
    if refusal.http_status == 429:
        kind = "rate_limit_error"
    else:
        kind = "server_error" if refusal.http_status >= 500 else "invalid_request_error"
    error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}
    return encode({"error": error})
