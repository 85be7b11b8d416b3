"""The model providers against real servers that do what providers do, good and bad."""

import asyncio
import gzip
import json
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from threadmill_shared.errors import (
    ContextTooLong,
    ModelError,
    ModelGarbled,
    ModelRefused,
    ModelUnavailable,
    NotConfigured,
)
from threadmill_shared.model import (
    FinishReason,
    MessageEnded,
    ModelRequest,
    ReasoningReceived,
    TextDelta,
    ToolCalled,
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


@pytest.fixture(params=[Responses(), Chat()], ids=lambda api: api.name)
def api(request) -> Api:
    return request.param


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


def events(api: Api, play: Play, **options: Any) -> list[Any]:
    """All events of one turn."""

    async def ask():
        async with asking(api, play, **options) as (model, _):
            return [event async for event in model.stream(request())]

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


# ---- a turn --------------------------------------------------------------------------------------


def test_a_turn_of_text_and_calls_gives_its_events_in_order(api):
    got = events(
        api,
        sending(
            api.begin(),
            api.text("Let me ", "roll 🎲."),
            api.end_text("Let me roll 🎲."),
            api.calls(("c1", "roll", '{"n": 2}'), ("c2", "roll", '{"n": 3}')),
            api.end(calls=True),
        ),
    )
    assert got == [
        TextDelta("Let me "),
        TextDelta("roll 🎲."),
        MessageEnded(),
        ToolCalled("roll", '{"n": 2}', "c1"),
        ToolCalled("roll", '{"n": 3}', "c2"),
        END,
    ]


def test_calls_without_text_end_no_message(api):
    got = events(api, sending(api.begin(), api.calls(("c1", "now", "{}")), api.end(calls=True)))
    assert got == [ToolCalled("now", "{}", "c1"), END]


@pytest.mark.parametrize("stop", [FinishReason.LENGTH, FinishReason.CONTENT_FILTER])
def test_a_reply_that_was_cut_says_why(api, stop):
    got = events(api, sending(api.text("Once upon"), api.end_text("Once upon"), api.end(stop)))
    assert got == [TextDelta("Once upon"), MessageEnded(), TurnEnded(stop, Usage(5, 7, 12))]


def test_a_delta_arrives_before_the_next_one_is_made(api):
    async def ask():
        seen = asyncio.Event()

        async def play(exchange):
            await exchange.begin()
            await exchange.send(api.text("one"))
            await asyncio.wait_for(seen.wait(), 10)
            await exchange.send(api.text("two"), api.end_text("onetwo"), api.end())
            await exchange.end()

        async with asking(api, play) as (model, _):
            stream = model.stream(request())
            assert await anext(stream) == TextDelta("one")
            seen.set()
            return [event async for event in stream]

    assert asyncio.run(ask()) == [TextDelta("two"), MessageEnded(), END]


def test_a_stream_may_be_cut_between_any_two_bytes(api):
    stream = api.begin() + api.text("é😀") + api.end_text("é😀") + api.end()
    got = events(api, sending(*[stream[at : at + 1] for at in range(len(stream))]))
    assert got == [TextDelta("é😀"), MessageEnded(), END]


def test_a_compressed_stream_is_read_although_none_was_asked_for(api):
    body = gzip.compress(api.text("small") + api.end_text("small") + api.end())

    async def play(exchange):
        assert "accept-encoding: identity" in exchange.head.lower()
        await exchange.begin(more="Content-Encoding: gzip\r\n")
        await exchange.send(body)
        await exchange.end()

    assert events(api, play) == [TextDelta("small"), MessageEnded(), END]


def test_events_of_unknown_kinds_and_comments_are_passed_over(api):
    unknown = sse({"type": "response.new.thing", "choices": [], "x": 1}, "response.new.thing")
    got = events(api, sending(b": hello\n\n", unknown, api.text("a"), api.end_text("a"), api.end()))
    assert got == [TextDelta("a"), MessageEnded(), END]


def test_a_request_carries_key_path_and_body(api):
    async def ask():
        async with asking(api, sending(api.text("a"), api.end())) as (model, served):
            async with aclosing(model.stream(request("Hello"))) as stream:
                async for _ in stream:
                    pass
            return served.requests[0]

    asked = asyncio.run(ask())
    assert asked.head.startswith(f"POST {api.path} ")
    assert f"authorization: bearer {KEY}" in asked.head.lower()
    assert asked.body["model"] == "m"
    assert asked.body["stream"] is True
    assert "Hello" in json.dumps(asked.body)


def test_the_next_turn_uses_the_same_connection_though_its_body_ends_late(api):
    async def play(exchange):
        await exchange.begin()
        await exchange.send(api.text("a"), api.end())
        await asyncio.sleep(0.01)
        await exchange.end()

    async def ask():
        async with asking(api, play) as (model, served):
            for _ in range(3):
                async for _ in model.stream(request()):
                    pass
            return served.connections

    assert asyncio.run(ask()) == 1


def test_a_connection_that_the_provider_keeps_open_does_not_hold_the_turn(api):
    async def play(exchange):
        await exchange.begin()
        await exchange.send(api.text("a"), api.end_text("a"), api.end())
        await exchange.wait_for_close()

    assert events(api, play) == [TextDelta("a"), MessageEnded(), END]


def test_hundreds_of_streams_are_open_at_once(api):
    count = 300

    async def ask():
        everybody = asyncio.Barrier(count)

        async def play(exchange):
            await everybody.wait()
            await exchange.whole(api.text("a"), api.end_text("a"), api.end())

        async def turn(model):
            return [event async for event in model.stream(request())]

        async with asking(api, play) as (model, served):
            async with asyncio.timeout(30):
                turns = await asyncio.gather(*(turn(model) for _ in range(count)))
            return turns, served.connections

    turns, connections = asyncio.run(ask())
    assert turns == [[TextDelta("a"), MessageEnded(), END]] * count
    assert connections == count


# ---- one API's own -------------------------------------------------------------------------------


def test_responses_keep_what_a_reasoning_item_needs_to_be_sent_back():
    api = Responses()
    item = {"id": "rs_1", "summary": [], "encrypted_content": "xyz", "status": None}
    useless = {"id": "rs_2", "summary": []}
    pieces = [api.done(type="reasoning", **given) for given in (item, useless)]
    assert events(api, sending(*pieces, api.end())) == [
        ReasoningReceived(
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "xyz"}
        ),
        END,
    ]


def test_responses_give_a_refusal_as_text():
    api = Responses()
    refusal = api.event("response.refusal.delta", delta="I will not.")
    got = events(api, sending(refusal, api.end_text(""), api.end()))
    assert got == [TextDelta("I will not."), MessageEnded(), END]


def test_responses_give_a_message_that_came_whole():
    api = Responses()
    got = events(api, sending(api.end_text("All at once."), api.end()))
    assert got == [TextDelta("All at once."), MessageEnded(), END]


def test_responses_give_two_messages_their_own_ends():
    api = Responses()
    got = events(api, sending(*[api.text(t) + api.end_text(t) for t in "ab"], api.end()))
    assert got == [TextDelta("a"), MessageEnded(), TextDelta("b"), MessageEnded(), END]


def test_responses_do_not_mind_a_done_after_their_end():
    api = Responses()
    got = events(api, sending(api.text("a"), api.end() + b"data: [DONE]\n\n"))
    assert got == [TextDelta("a"), MessageEnded(), END]


def test_responses_leave_out_a_call_that_was_cut():
    api = Responses()
    cut = {"call_id": "c1", "name": "roll", "arguments": '{"n', "status": "incomplete"}
    got = events(api, sending(api.done(type="function_call", **cut), api.end(FinishReason.LENGTH)))
    assert got == [TurnEnded(FinishReason.LENGTH, Usage(5, 7, 12))]


def test_responses_ask_once_only_for_reasoning_that_a_model_has_not():
    api = Responses()
    refusal = {"message": "Encrypted content is not supported with this model.", "param": "include"}

    async def play(exchange):
        if "include" in exchange.body:
            await exchange.refuse("400 Bad Request", {"error": refusal})
        else:
            await exchange.whole(api.text("a"), api.end())

    async def ask():
        async with asking(api, play) as (model, served):
            for _ in range(2):
                assert [event async for event in model.stream(request())][-1] == END
            return ["include" in asked.body for asked in served.requests]

    assert asyncio.run(ask()) == [True, False, False]


def test_chat_needs_neither_usage_nor_done_after_a_finish_reason():
    api = Chat()
    got = events(api, sending(api.text("a"), api.chunk({}, "stop")))
    assert got == [TextDelta("a"), MessageEnded(), TurnEnded(FinishReason.END, Usage())]


def test_chat_ends_well_when_the_connection_drops_after_a_finish_reason():
    api = Chat()

    async def play(exchange):
        await exchange.begin()
        await exchange.send(api.text("a"), api.chunk({}, "stop"))
        exchange.writer.transport.abort()

    assert events(api, play) == [
        TextDelta("a"),
        MessageEnded(),
        TurnEnded(FinishReason.END, Usage()),
    ]


def test_chat_takes_text_and_finish_reason_from_one_chunk():
    api = Chat()
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    choice = {"delta": {"content": "a"}, "finish_reason": "stop"}
    got = events(api, sending(sse({"choices": [choice], "usage": usage}), b"data: [DONE]\n\n"))
    assert got == [TextDelta("a"), MessageEnded(), TurnEnded(FinishReason.END, Usage(1, 2, 3))]


@pytest.mark.parametrize("index", [{}, {"index": 0}, {"index": None}])
def test_chat_tells_calls_of_one_index_apart_by_their_ids(index):
    api = Chat()
    pieces = [
        api.chunk(
            {"tool_calls": [{**index, "id": id, "function": {"name": id, "arguments": "{}"}}]}
        )
        for id in ("a", "b")
    ]
    got = events(api, sending(*pieces, api.end(calls=True)))
    assert got == [ToolCalled("a", "{}", "a"), ToolCalled("b", "{}", "b"), END]


def test_chat_keeps_calls_apart_whose_ids_are_empty_or_the_same():
    api = Chat()
    for id in ("", "call"):
        got = events(api, sending(api.calls((id, "x", "{}"), (id, "y", "{}")), api.end(calls=True)))
        assert got == [ToolCalled("x", "{}", id), ToolCalled("y", "{}", id), END]


def test_chat_leaves_out_the_calls_of_a_reply_that_was_cut():
    api = Chat()
    got = events(api, sending(api.calls(("c1", "roll", '{"n')), api.end(FinishReason.LENGTH)))
    assert got == [TurnEnded(FinishReason.LENGTH, Usage(5, 7, 12))]


# ---- streams that go wrong -----------------------------------------------------------------------


def test_a_stream_that_ends_early_is_garbled(api):
    error = failure(api, sending(api.begin(), api.text("Once")))
    assert isinstance(error, ModelGarbled)


def test_a_done_without_an_end_is_garbled(api):
    error = failure(api, sending(api.begin(), api.text("Once"), b"data: [DONE]\n\n"))
    assert isinstance(error, ModelGarbled)


@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_connection_that_drops_mid_stream_is_garbled(api, how):
    async def play(exchange):
        await exchange.begin()
        await exchange.send(api.begin(), api.text("Once"))
        getattr(exchange.writer.transport, how)()

    assert isinstance(failure(api, play), ModelGarbled)


def test_what_came_before_the_break_has_been_yielded(api):
    async def ask():
        async with asking(api, sending(api.text("a", "b"))) as (model, _):
            stream = model.stream(request())
            got = [await anext(stream), await anext(stream)]
            with pytest.raises(ModelGarbled):
                await anext(stream)
        return got

    assert asyncio.run(ask()) == [TextDelta("a"), TextDelta("b")]


GARBAGE = {
    "html": b"<html><body>Welcome</body></html>\n",
    "json lines": b'{"message": "hi"}\n\n',
    "no json": b"data: {oops\n\n",
    "cut utf-8": b'data: {"type": "\xff"}\n\n',
    "a list": b"data: []\n\n",
    "a number": b"data: 7\n\n",
    "a string": b'data: "choices"\n\n',
    "no type": b'data: {"a": 1}\n\n',
    "no delta": b'data: {"type": "response.output_text.delta", "choices": [7]}\n\n',
    "a delta of a wrong type": (
        b'data: {"type": "response.output_text.delta", "delta": 7,'
        b' "choices": [{"delta": {"content": 7}}]}\n\n'
    ),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_what_is_not_of_the_protocol_is_garbled(api, garbage):
    error = failure(api, sending(api.begin(), garbage, api.end()))
    assert isinstance(error, ModelGarbled)


def test_garbage_is_noticed_while_the_connection_stays_open(api):
    async def play(exchange):
        await exchange.begin()
        await exchange.send(b"\x00\x01 garbage \xff\n\n")
        await exchange.wait_for_close()

    assert isinstance(failure(api, play), ModelGarbled)


@pytest.mark.parametrize("begun", [False, True], ids=["head", "body"])
def test_what_is_no_http_is_garbled(api, begun):
    async def play(exchange):
        if begun:
            await exchange.begin()
            await exchange.send(api.begin())
        exchange.writer.write(b"\x00\xffgarbage\r\n\r\n" * 3)
        await exchange.writer.drain()
        exchange.writer.close()

    error = failure(api, play)
    assert isinstance(error, ModelGarbled)
    assert begun or "is not valid HTTP" in str(error)


@pytest.mark.parametrize("begun", [False, True], ids=["head", "body"])
def test_a_silent_provider_is_unavailable(api, begun):
    async def play(exchange):
        if begun:
            await exchange.begin()
            await exchange.send(api.text("Once"))
        await exchange.wait_for_close()

    assert isinstance(failure(api, play, silence_seconds=0.2), ModelUnavailable)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", ModelUnavailable),
        ("rate_limit_exceeded", ModelUnavailable),
        ("insufficient_quota", ModelRefused),
        ("invalid_prompt", ModelRefused),
        ("context_length_exceeded", ContextTooLong),
    ],
)
def test_an_error_inside_a_stream_is_named(api, code, kind):
    error = failure(api, sending(api.begin(), api.text("a"), api.error(code, f"On {SECRET}.")))
    assert type(error) is kind
    assert code in str(error)
    if kind is ModelUnavailable:
        assert error.rate_limited is (code == "rate_limit_exceeded")


@pytest.mark.parametrize("nested", [True, False])
def test_responses_know_the_error_event_in_both_its_shapes(nested):
    api = Responses()
    error = {"code": "rate_limit_exceeded", "message": "Slow down.", "param": None}
    told = failure(api, sending(api.event("error", **({"error": error} if nested else error))))
    assert isinstance(told, ModelUnavailable)
    assert told.rate_limited
    assert "Slow down" in str(told)


def test_chat_knows_an_error_whose_code_is_a_status():
    error = {"message": "Engine died.", "type": "Dead", "code": 503}
    told = failure(Chat(), sending(sse({"error": error})))
    assert isinstance(told, ModelUnavailable)
    assert "HTTP 503" in str(told)


# ---- requests that are refused -------------------------------------------------------------------


def body(code: str | None = None, text: str = "No.", **fields: Any) -> dict[str, Any]:
    return {"error": {"message": text, "type": "some_error", "code": code, **fields}}


@pytest.mark.parametrize("status", ["408 Timeout", "409 Conflict", "500 Oops", "503 Busy"])
def test_a_failing_provider_is_unavailable(api, status):
    error = failure(api, refusing(status, body(), "Retry-After: 2"))
    assert isinstance(error, ModelUnavailable)
    assert not error.rate_limited
    assert error.retry_after == 2.0
    assert f"HTTP {status[:3]}" in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        (["Retry-After: 7"], 7.0),
        (["Retry-After: 0.5"], 0.5),
        (["Retry-After: 7", "retry-after-ms: 1500"], 1.5),
        (["Retry-After: soon"], None),
        (["Retry-After: -1"], None),
        (["Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"], 0.0),
    ],
)
def test_a_rate_limit_tells_how_long_to_wait(api, headers, seconds):
    error = failure(api, refusing("429 Too Many Requests", body("rate_limit"), *headers))
    assert isinstance(error, ModelUnavailable)
    assert error.rate_limited
    assert error.retry_after == seconds


def test_a_rate_limit_may_tell_a_date(api):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    error = failure(api, refusing("429 Too Many Requests", body(), f"Retry-After: {date}"))
    assert isinstance(error, ModelUnavailable)
    assert 50 < error.retry_after <= 60


def test_a_rate_limit_for_lack_of_quota_is_a_refusal(api):
    error = failure(api, refusing("429 Too Many Requests", body("insufficient_quota")))
    assert isinstance(error, ModelRefused)
    assert error.status == 429
    assert "billing" in str(error)


@pytest.mark.parametrize("status", ["400 Bad", "401 Who", "403 No", "404 Where", "422 What"])
def test_a_refusal_tells_status_code_and_param(api, status):
    error = failure(api, refusing(status, body("some_code", param="tools[0].name")))
    assert isinstance(error, ModelRefused)
    assert error.status == int(status[:3])
    assert f"(HTTP {status[:3]}, some_code, some_error, tools[0].name)" in str(error)


@pytest.mark.parametrize(
    "error",
    [
        body("context_length_exceeded"),
        {"error": {"code": 400, "type": "exceed_context_size_error", "message": "Too big."}},
        {
            "object": "error",
            "message": "This model's maximum context length is 9 tokens.",
            "code": 400,
        },
    ],
)
def test_a_context_that_is_too_long_is_known_by_what_servers_call_it(api, error):
    assert isinstance(failure(api, refusing("400 Bad Request", error)), ContextTooLong)


def test_a_short_message_of_the_provider_is_told(api):
    error = failure(api, refusing("400 Bad Request", body(text="Unknown model 'gpt-x'.")))
    assert ": Unknown model 'gpt-x';" in str(error)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("400 Bad Request", "long" * 100),
        ("400 Bad Request", f"Bad input: {SECRET}"),
        ("400 Bad Request", f"Bad input: '...{SECRET[6:40]}...'"),
        ("400 Bad Request", "You are not to say: Be kind."),
        ("500 Oops", f"Key {KEY} broke"),
        ("401 Unauthorized", "Incorrect API key provided: sk-te*******ghij."),
    ],
)
def test_a_message_that_is_long_or_may_quote_is_not_told(api, status, text):
    error = failure(api, refusing(status, body("some_code", text)))
    assert str(error).count(": ") == 0
    assert "some_code" in str(error)


@pytest.mark.parametrize("answer", ["oops", None, [], {"detail": "oops"}, {"error": "oops"}])
def test_an_error_of_any_shape_keeps_its_status(api, answer):
    error = failure(api, refusing("400 Bad Request", answer))
    assert isinstance(error, ModelRefused)
    assert "HTTP 400" in str(error)


def test_a_provider_that_cannot_be_reached_is_unavailable(api):
    async def ask():
        async with provider(sending()) as served:
            pass
        model = create_model(api.name, api_key=KEY, base_url=served.url)
        try:
            with pytest.raises(ModelUnavailable) as caught:
                await anext(model.stream(request()))
        finally:
            await model.close()
        return str(caught.value), served.url

    told, url = asyncio.run(ask())
    assert url.split("/")[2] in told
    assert "OPENAI_BASE_URL" in told


def test_a_provider_that_hangs_up_without_an_answer_is_unavailable(api):
    async def play(exchange):
        exchange.writer.close()

    assert isinstance(failure(api, play), ModelUnavailable)


# ---- closing -------------------------------------------------------------------------------------


async def silent_before_the_head(api: Api, exchange: Exchange) -> None:
    del api, exchange


async def silent_after_the_head(api: Api, exchange: Exchange) -> None:
    await exchange.begin()


async def silent_after_text(api: Api, exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.send(api.text("Once"))


@pytest.mark.parametrize(
    "before", [silent_before_the_head, silent_after_the_head, silent_after_text]
)
def test_cancelling_the_reader_closes_the_silent_connection_at_once(api, before):
    async def ask():
        silent = asyncio.Event()
        closed: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        async def play(exchange):
            await before(api, exchange)
            silent.set()
            closed.set_result(await exchange.wait_for_close())

        async def turn(model):
            async for _ in model.stream(request()):
                pass

        async with asking(api, play) as (model, _):
            task = asyncio.create_task(turn(model))
            await silent.wait()
            await asyncio.wait({task}, timeout=0.05)
            cancelled = time.monotonic()
            task.cancel()
            took = await asyncio.wait_for(closed, 10) - cancelled
            with pytest.raises(asyncio.CancelledError):
                await task
            return took

    assert asyncio.run(ask()) < 0.1


@pytest.mark.parametrize("busy", [False, True])
def test_closing_the_generator_closes_the_connection_at_once(api, busy):
    async def ask():
        closed: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        async def play(exchange):
            await exchange.begin()
            await exchange.send(api.text("Once"))
            end = asyncio.create_task(exchange.wait_for_close())
            while busy and not end.done():
                await exchange.send(api.text("more"))
                await asyncio.wait({end}, timeout=0.001)
            closed.set_result(await end)

        async with asking(api, play) as (model, _):
            stream = model.stream(request())
            assert await anext(stream) == TextDelta("Once")
            begun = time.monotonic()
            await stream.aclose()
            return await asyncio.wait_for(closed, 10) - begun

    assert asyncio.run(ask()) < 0.1


# ---- configuration -------------------------------------------------------------------------------


def test_without_key_and_base_url_the_cure_is_named(api, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    with pytest.raises(NotConfigured, match="Set OPENAI_API_KEY, or OPENAI_BASE_URL"):
        create_model(api.name)


def test_a_base_url_without_a_scheme_is_refused(api):
    with pytest.raises(NotConfigured, match="http://"):
        create_model(api.name, base_url="localhost:8000/v1")


@pytest.mark.parametrize(("key", "sent"), [("sk-env", "sk-env"), (None, "no-key-needed")])
def test_key_and_base_url_come_from_the_environment(api, monkeypatch, key, sent):
    async def ask():
        async with provider(sending(api.text("a"), api.end())) as served:
            monkeypatch.setenv("OPENAI_BASE_URL", served.url)
            model = create_model(api.name)
            try:
                assert [event async for event in model.stream(request())][-1] == END
            finally:
                await model.close()
            return served.requests[0].head

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    if key:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    assert f"bearer {sent}" in asyncio.run(ask()).lower()
