"""Chat Completions of the stand-in: every chunk is of the openai package's own types."""

import asyncio

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from tests.support.openai_client import (
    CALLS,
    CHAT_TOOL,
    REPLIES,
    TEXT,
    ask_chat,
    assert_of_type,
    client,
)


@pytest.mark.parametrize("usage", [True, False])
@pytest.mark.parametrize("name", REPLIES)
def test_chat_streams_are_of_the_packages_types(standin, name, usage):
    standin.brain = lambda _: REPLIES[name]
    options = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = ask_chat(standin, stream=True, tools=[CHAT_TOOL], **options)
    for chunk in chunks:
        assert_of_type(ChatCompletionChunk, chunk)
    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [usage]
    assert (chunks[-1].choices == []) is usage


@pytest.mark.parametrize("name", REPLIES)
def test_chat_answers_are_of_the_packages_types(standin, name):
    standin.brain = lambda _: REPLIES[name]
    assert_of_type(ChatCompletion, ask_chat(standin, tools=[CHAT_TOOL]))


def test_a_chat_text_arrives_token_by_token(standin):
    standin.brain = lambda _: TEXT
    choices = [chunk.choices[0] for chunk in ask_chat(standin, stream=True)]
    assert choices[0].delta.role == "assistant"
    assert tuple(c.delta.content for c in choices[1:-1]) == TEXT.parts[0].tokens
    assert [c.finish_reason for c in choices] == [None] * (len(choices) - 1) + ["stop"]
    assert ask_chat(standin).choices[0].message.content == TEXT.parts[0].text


def test_several_chat_calls_in_one_turn_arrive_apart(standin):
    standin.brain = lambda _: CALLS
    chunks = ask_chat(standin, stream=True, tools=[CHAT_TOOL])
    deltas = [call for c in chunks for call in c.choices[0].delta.tool_calls or ()]
    for index, call in enumerate(CALLS.parts[1:]):
        own = [delta for delta in deltas if delta.index == index]
        assert (own[0].type, own[0].function.name) == ("function", call.name)
        assert [d.id for d in own[1:]] == [None] * len(own[1:])
        assert "".join(d.function.arguments for d in own) == call.text
    assert len({delta.id for delta in deltas if delta.id}) == 3
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(("name", "reason"), [("length", "length"), ("filter", "content_filter")])
def test_a_chat_that_stops_early_says_why(standin, name, reason):
    standin.brain = lambda _: REPLIES[name]
    assert ask_chat(standin, stream=True)[-1].choices[0].finish_reason == reason
    assert ask_chat(standin).choices[0].finish_reason == reason


def test_a_chat_stream_ends_with_the_mark_of_its_end(standin):
    async def last_line() -> str:
        async with client(standin) as api:
            create = api.chat.completions.with_streaming_response.create
            messages = [{"role": "user", "content": "Hi"}]
            async with create(model="m", messages=messages, stream=True) as answer:
                return [line async for line in answer.iter_lines() if line][-1]

    assert asyncio.run(last_line()) == "data: [DONE]"
