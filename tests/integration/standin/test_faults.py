"""The stand-in's faults, as a bare client sees them on the wire and as the openai package does."""

import asyncio
import http.client
import json
import re
import socket
import time

import openai
import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter
from tests.support.environment import stretched

from threadmill.testing import Call, Fault, Reply, StandIn, Text, scripted

END = b"0\r\n\r\n"
WORDS = Reply([Text(["one ", "two ", "three"])])


@pytest.fixture(params=["responses", "chat"])
def api(request):
    return request.param


def request_of(api: str, *, stream: bool) -> tuple[str, dict]:
    if api == "responses":
        return "/v1/responses", {"model": "m", "input": "Hello!", "stream": stream}
    messages = [{"role": "user", "content": "Hello!"}]
    return "/v1/chat/completions", {"model": "m", "messages": messages, "stream": stream}


def connect(standin: StandIn, api: str, *, stream: bool = True) -> socket.socket:
    port = int(re.search(r":(\d+)/", standin.base_url)[1])
    path, body = request_of(api, stream=stream)
    raw = json.dumps(body)
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(raw)}\r\n\r\n"
    connection.sendall((head + raw).encode())
    return connection


def read_all(connection: socket.socket) -> tuple[bytes, bool]:
    """What came until the answer's end, and whether the connection was reset before that."""
    data = b""
    while not data.endswith(END):
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return data, True
        if not piece:
            break
        data += piece
    return data, False


def read_until_silent(connection: socket.socket) -> bytes:
    connection.settimeout(0.1)
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except TimeoutError:
        return data
    raise AssertionError("It did not fall silent, it ended.")


def tokens_in(api: str, data: bytes) -> int:
    mark = b"event: response.output_text.delta" if api == "responses" else b'"delta":{"content":"'
    return data.count(mark)


def is_told_to_be_whole(data: bytes) -> bool:
    return any(
        mark in data for mark in (b"response.completed", b"[DONE]", b'"finish_reason":"stop"')
    )


async def events_of(standin: StandIn, api: str) -> list:
    async with openai.AsyncOpenAI(
        base_url=standin.base_url, api_key="none", max_retries=0
    ) as client:
        _, body = request_of(api, stream=True)
        create = client.responses.create if api == "responses" else client.chat.completions.create
        return [event async for event in await create(**body)]


def test_a_status_is_an_error_of_the_openai_package(standin, api):
    standin.brain = scripted(
        Fault.status(429, retry_after=1),
        Fault.status(500),
        Fault.status(400, message="Too much.", code="context_length_exceeded"),
    )
    with pytest.raises(openai.RateLimitError) as limited:
        asyncio.run(events_of(standin, api))
    assert limited.value.response.headers["retry-after"] == "1"
    with pytest.raises(openai.InternalServerError):
        asyncio.run(events_of(standin, api))
    with pytest.raises(openai.BadRequestError, match="Too much") as refused:
        asyncio.run(events_of(standin, api))
    assert refused.value.code == "context_length_exceeded"
    assert [record.status for record in standin.requests] == [429, 500, 400]


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_dropped_stream_is_reset_after_its_tokens(standin, api, after):
    standin.brain = lambda _: Fault.drop(after_tokens=after, reply=WORDS)
    with connect(standin, api) as connection:
        data, is_reset = read_all(connection)
    assert is_reset
    assert tokens_in(api, data) == after
    assert not is_told_to_be_whole(data)
    [record] = standin.requests
    assert not record.closed_early
    assert record.ended_at


def test_a_connection_can_be_dropped_before_the_answer(standin, api):
    standin.brain = lambda _: Fault.drop(after_tokens=None)
    with connect(standin, api) as connection:
        assert read_all(connection) == (b"", True)
    with pytest.raises(openai.APIConnectionError):
        asyncio.run(events_of(standin, api))


@pytest.mark.parametrize("after", [0, 2, 3])
def test_a_stream_can_end_cleanly_without_its_ending(standin, api, after):
    standin.brain = lambda _: Fault.end(after_tokens=after, reply=WORDS)
    with connect(standin, api) as connection:
        data, is_reset = read_all(connection)
    assert data.endswith(END)
    assert not is_reset
    assert tokens_in(api, data) == after
    assert not is_told_to_be_whole(data)


def test_a_reply_that_is_shorter_than_its_fault_never_ends_well(standin, api):
    standin.brain = lambda _: Fault.end(after_tokens=9, reply=WORDS)
    with connect(standin, api) as connection:
        data, _ = read_all(connection)
    assert tokens_in(api, data) == 3
    assert not is_told_to_be_whole(data)


def test_a_fault_can_strike_in_a_call(standin, api):
    call = Reply([Call("add", {"numbers": [1, 2, 3]})])
    standin.brain = lambda _: Fault.end(after_tokens=4, reply=call)
    with connect(standin, api) as connection:
        data, _ = read_all(connection)
    assert b"numbers" in data
    assert b"arguments.done" not in data
    assert not is_told_to_be_whole(data)


def test_garbage_is_not_of_the_protocol(standin, api):
    standin.brain = lambda _: Fault.garbage(after_tokens=2)
    with connect(standin, api) as connection:
        data, _ = read_all(connection)
    assert tokens_in(api, data) == 2
    assert b"\xff\xfe" in data
    with pytest.raises((UnicodeDecodeError, json.JSONDecodeError)):
        asyncio.run(events_of(standin, api))


def test_the_garbage_can_be_given(standin, api):
    standin.brain = lambda _: Fault.garbage(data=b"<html>Bad gateway</html>")
    with connect(standin, api) as connection:
        assert b"<html>" in read_all(connection)[0]


@pytest.mark.parametrize("after", [None, 0, 2])
def test_a_hanging_stream_is_silent_until_its_client_leaves(standin, api, after):
    standin.brain = lambda _: Fault.hang(after_tokens=after)
    connection = connect(standin, api)
    [record] = standin.wait_until(
        lambda requests: (
            requests and requests[0].user_text and len(requests[0].token_times) == (after or 0)
        )
    )
    assert record.ended_at is None
    received = read_until_silent(connection)
    assert bool(received) == (after is not None)
    assert tokens_in(api, received) == (after or 0)
    connection.close()
    closed = time.monotonic()
    standin.wait_until(lambda requests: requests[0].closed_early)
    assert record.closed_at - closed < stretched(0.2)


@pytest.mark.parametrize("kind", ["failed", "error"])
def test_an_error_inside_a_responses_stream_is_of_the_packages_types(standin, kind):
    standin.brain = lambda _: Fault.event_error(after_tokens=2, kind=kind, message="Oh no.")
    events = asyncio.run(events_of(standin, "responses"))
    last = TypeAdapter(ResponseStreamEvent).validate_python(events[-1].to_dict(mode="json"))
    assert last.sequence_number == len(events) - 1
    if kind == "failed":
        assert last.type == "response.failed"
        assert last.response.status == "failed"
        assert (last.response.error.code, last.response.error.message) == ("server_error", "Oh no.")
    else:
        assert (last.type, last.code, last.message) == ("error", "server_error", "Oh no.")
    assert sum(event.type == "response.output_text.delta" for event in events) == 2


def test_an_error_inside_a_chat_stream_is_raised_by_the_package(standin):
    standin.brain = lambda _: Fault.event_error(after_tokens=2, message="Oh no.")
    with pytest.raises(openai.APIError, match="Oh no"):
        asyncio.run(events_of(standin, "chat"))


def whole_answer(standin: StandIn, api: str) -> tuple[int, bytes]:
    path, body = request_of(api, stream=False)
    connection = http.client.HTTPConnection(standin.base_url.split("/")[2], timeout=10)
    try:
        connection.request("POST", path, json.dumps(body))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_an_answer_in_one_piece_can_be_dropped(standin, api):
    standin.brain = lambda _: Fault.drop()
    with pytest.raises(ConnectionResetError):
        whole_answer(standin, api)


def test_an_answer_in_one_piece_can_be_of_no_protocol(standin, api):
    standin.brain = scripted(Fault.garbage(), Fault.end())
    assert whole_answer(standin, api) == (200, b"data: \xff\xfe{]\n\n")
    status, cut = whole_answer(standin, api)
    assert status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut)


def test_an_error_of_a_stream_is_a_status_where_nothing_streams(standin, api):
    standin.brain = lambda _: Fault.event_error(message="Oh no.")
    status, body = whole_answer(standin, api)
    assert (status, json.loads(body)["error"]["message"]) == (500, "Oh no.")


def test_a_server_serves_on_after_every_fault_and_has_no_complaint(standin, api, caplog):
    faults = [Fault.drop(1), Fault.drop(None), Fault.end(1), Fault.garbage(1), Fault.event_error(1)]
    standin.brain = scripted(*faults, WORDS)
    for _ in faults:
        with connect(standin, api) as connection:
            read_all(connection)
    assert len(asyncio.run(events_of(standin, api))) > 3
    assert all(record.error is None for record in standin.requests)
    assert caplog.records == []
