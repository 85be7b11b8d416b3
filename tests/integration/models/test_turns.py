"""A turn as a provider streams it, well."""

import asyncio
import gzip
import json
from contextlib import aclosing

import pytest
from tests.support.scripted_provider import END, KEY, asking, events, request, sending, sse

from threadmill_shared.model import (
    FinishReason,
    MessageEnded,
    TextDelta,
    ToolCalled,
    TurnEnded,
    Usage,
)


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
