"""A provider that plays one part for every request, and what the two APIs send."""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from threadmill_shared.errors import (
    ModelError,
)
from threadmill_shared.model import (
    FinishReason,
    ModelRequest,
    TurnEnded,
    Usage,
)
from threadmill_shared.records.items import text_part
from threadmill_workers.models import create_model

KEY = "sk-test-0123456789abcdefghij"
SECRET = "the user's own words, which are nobody's business"


# ---- a server ------------------------------------------------------------------------------------


@dataclass
class Exchange:
    """One request, and the means to answer it."""

    head: str
    body: dict[str, Any]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        for piece in filter(None, pieces):  # an empty chunk would end the body
            self.writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await self.writer.drain()

    async def begin(self, status: str = "200 OK", kind: str = "text/event-stream", more: str = ""):
        self.writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        await self.writer.drain()

    async def end(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def whole(self, *pieces: bytes) -> None:
        await self.begin()
        await self.send(*pieces)
        await self.end()

    async def refuse(self, status: str, error: Any, *headers: str) -> None:
        more = "".join(f"{header}\r\n" for header in headers)
        await self.begin(status, "application/json", more)
        await self.send(json.dumps(error).encode())
        await self.end()

    async def wait_for_close(self) -> float:
        """The time at which the client closed the connection."""
        assert await self.reader.read() == b""
        return time.monotonic()


Play = Callable[[Exchange], Awaitable[None]]


@dataclass
class Provider:
    """A server that plays one part for every request."""

    play: Play
    url: str = ""
    requests: list[Exchange] = field(default_factory=list)
    connections: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task
        self.tasks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().split("content-length:")[1].split()[0])
                body = json.loads(await reader.readexactly(length))
                self.requests.append(Exchange(head, body, reader, writer))
                await self.play(self.requests[-1])
                if writer.is_closing():
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            writer.close()


@asynccontextmanager
async def provider(play: Play):
    served = Provider(play)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0, backlog=1000)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield served
    finally:
        server.close()
        for task in list(served.tasks):
            task.cancel()
        await asyncio.gather(*served.tasks, return_exceptions=True)


# ---- what the two APIs send ----------------------------------------------------------------------


def sse(data: Any, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


class Responses:
    name = "responses"
    path = "/v1/responses"

    def event(self, kind: str, **fields: Any) -> bytes:
        return sse({"type": kind, "sequence_number": 1, **fields}, kind)

    def begin(self) -> bytes:
        return self.event("response.created", response={"id": "resp_1", "output": []})

    def text(self, *deltas: str) -> bytes:
        return b"".join(
            self.event("response.output_text.delta", output_index=0, content_index=0, delta=delta)
            for delta in deltas
        )

    def done(self, **item: Any) -> bytes:
        return self.event("response.output_item.done", output_index=0, item=item)

    def end_text(self, text: str) -> bytes:
        content = [{"type": "output_text", "text": text, "annotations": []}]
        return self.done(type="message", id="msg_1", role="assistant", content=content)

    def calls(self, *calls: tuple[str, str, str]) -> bytes:
        return b"".join(
            self.event("response.function_call_arguments.delta", delta=arguments)
            + self.done(type="function_call", call_id=id, name=name, arguments=arguments)
            for id, name, arguments in calls
        )

    def end(self, stop: FinishReason = FinishReason.END, *, calls: bool = False) -> bytes:
        usage = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
        if stop is FinishReason.END:
            return self.event("response.completed", response={"id": "resp_1", "usage": usage})
        reason = "max_output_tokens" if stop is FinishReason.LENGTH else "content_filter"
        details = {"reason": reason}
        response = {"id": "resp_1", "usage": usage, "incomplete_details": details}
        return self.event("response.incomplete", response=response)

    def error(self, code: str, text: str = "no") -> bytes:
        error = {"code": code, "message": text}
        return self.event("response.failed", response={"id": "resp_1", "error": error})


class Chat:
    name = "chat"
    path = "/v1/chat/completions"

    def chunk(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return sse({"id": "chatcmpl-1", "choices": [choice], "usage": None})

    def begin(self) -> bytes:
        return self.chunk({"role": "assistant", "content": ""})

    def text(self, *deltas: str) -> bytes:
        return b"".join(self.chunk({"content": delta}) for delta in deltas)

    def end_text(self, text: str) -> bytes:
        return b""

    def calls(self, *calls: tuple[str, str, str]) -> bytes:
        pieces = b""
        for index, (id, name, arguments) in enumerate(calls):
            begun = {"index": index, "id": id, "function": {"name": name, "arguments": ""}}
            pieces += self.chunk({"tool_calls": [{**begun, "type": "function"}]})
            for part in (arguments[:4], arguments[4:]):
                piece = {"index": index, "function": {"arguments": part}}
                pieces += self.chunk({"tool_calls": [piece]})
        return pieces

    def end(self, stop: FinishReason = FinishReason.END, *, calls: bool = False) -> bytes:
        reason = {FinishReason.LENGTH: "length", FinishReason.CONTENT_FILTER: "content_filter"}.get(
            stop
        )
        usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
        return (
            self.chunk({}, reason or ("tool_calls" if calls else "stop"))
            + sse({"id": "chatcmpl-1", "choices": [], "usage": usage})
            + b"data: [DONE]\n\n"
        )

    def error(self, code: str, text: str = "no") -> bytes:
        return sse({"error": {"code": code, "message": text}})


Api = Responses | Chat


# ---- asking --------------------------------------------------------------------------------------


def request(text: str = SECRET) -> ModelRequest:
    item: Any = {
        "type": "message",
        "id": "msg_1",
        "role": "user",
        "content": [text_part(text)],
        "status": "completed",
        "run_id": None,
        "assistant_id": None,
        "assistant_name": None,
        "metadata": {},
    }
    return ModelRequest(model="m", instructions="Be kind.", items=[item])


@asynccontextmanager
async def asking(api: Api, play: Play, **options: Any):
    """A model, and the provider behind it."""
    async with provider(play) as served:
        model = create_model(api.name, api_key=KEY, base_url=served.url, **options)
        try:
            yield model, served
        finally:
            await model.close()


def events(api: Api, play: Play, *, asked: ModelRequest | None = None, **options: Any) -> list[Any]:
    """All events of one turn."""

    async def ask():
        async with asking(api, play, **options) as (model, _):
            return [event async for event in model.stream(asked or request())]

    return asyncio.run(ask())


def failure(api: Api, play: Play, **options: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        events(api, play, **options)
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told
    assert KEY not in told
    return caught.value


def sending(*pieces: bytes) -> Play:
    return lambda exchange: exchange.whole(*pieces)


def refusing(status: str, error: Any, *headers: str) -> Play:
    return lambda exchange: exchange.refuse(status, error, *headers)


END = TurnEnded(FinishReason.END, Usage(5, 7, 12))
