"""Streams that end early, hold garbage, fall silent or tell of an error."""

import asyncio

import pytest
from tests.support.scripted_provider import (
    END,
    SECRET,
    Chat,
    Responses,
    asking,
    events,
    failure,
    request,
    sending,
    sse,
)

from threadmill_shared.errors import (
    ContextTooLong,
    ModelGarbled,
    ModelRefused,
    ModelUnavailable,
)
from threadmill_shared.model import MessageEnded, TextDelta, TurnEnded


def test_a_stream_that_ends_early_is_garbled(api):
    error = failure(api, sending(api.begin(), api.text("Once")))
    assert isinstance(error, ModelGarbled)


def test_a_done_after_nothing_is_garbled(api):
    error = failure(api, sending(api.begin(), b"data: [DONE]\n\n"))
    assert isinstance(error, ModelGarbled)


def test_a_done_after_a_text_is_an_end(api):
    got = events(api, sending(api.begin(), api.text("Once"), b"data: [DONE]\n\n"))
    assert got == [TextDelta("Once"), MessageEnded(), TurnEnded()]


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
    "cut utf-8": b'data: {"type": "\xff\n\n',
    "a list": b"data: []\n\n",
    "a number": b"data: 7\n\n",
    "a string": b'data: "choices"\n\n',
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


def test_an_object_of_neither_api_is_passed_over(api):
    nothing = [b'data: {"a": 1}\n\n', b"data: {}\n\n", b"data: null\n\n", b"data:\n\n"]
    nothing += [b'data: {"type": "\xff"}\n\n']
    assert events(api, sending(api.text("a"), *nothing, api.end_text("a"), api.end()))[-1] == END


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
