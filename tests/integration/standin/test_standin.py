"""The stand-in, asked by the real openai package: every event is of the package's own types."""

import asyncio
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import BaseModel, TypeAdapter

from threadmill.testing import (
    Call,
    Pause,
    Reasoning,
    Record,
    Reply,
    StandIn,
    Text,
    by_text,
    scripted,
)
from threadmill.testing.standin import parameters
from threadmill_shared.model import Usage

TEXT = Reply([Text("Straße, 你好 🎲 “so”.\n")])
ONE_CALL = Reply([Call("add", {"a": 1})])
CALLS = Reply([Text("Wait."), Call("add", {"a": 1}), Call("cry", "{}"), Call("add", {"a": 2})])
REASONED = Reply([Reasoning("I think."), Reasoning(), Text("So it is.")])
REPLIES = {"text": TEXT, "one call": ONE_CALL, "calls": CALLS, "reasoned": REASONED}
REPLIES |= {
    "empty": Reply([]),
    "length": Reply([Text("Once upon a")], stop="length"),
    "filter": Reply([Text("You")], stop="content_filter"),
}

RESPONSES_TOOL = {
    "type": "function",
    "name": "add",
    "description": "Add.",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}
CHAT_TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


@pytest.fixture
def standin():
    with StandIn() as running:
        yield running


def client(standin: StandIn) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=standin.base_url, api_key="none", max_retries=0, _strict_response_validation=True
    )


def ask_responses(standin: StandIn, **options):
    async def ask():
        async with client(standin) as api:
            answer = await api.responses.create(**{"model": "m", "input": "Hello!"} | options)
            return [event async for event in answer] if options.get("stream") else answer

    return asyncio.run(ask())


def ask_chat(standin: StandIn, **options):
    said = [{"role": "user", "content": "Hello!"}]

    async def ask():
        async with client(standin) as api:
            answer = await api.chat.completions.create(**{"model": "m", "messages": said} | options)
            return [chunk async for chunk in answer] if options.get("stream") else answer

    return asyncio.run(ask())


def unknown_fields(value: object, path: str = "") -> list[str]:
    """Where a parsed answer has fields that the package's types do not have."""
    if isinstance(value, BaseModel):
        found = [f"{path}.{name}" for name in value.model_extra or {}]
        for name in type(value).model_fields:
            found += unknown_fields(getattr(value, name), f"{path}.{name}")
        return found
    if isinstance(value, list):
        return [field for item in value for field in unknown_fields(item, f"{path}[]")]
    return []


@cache
def adapter(kind: object) -> TypeAdapter:
    return TypeAdapter(kind)


def assert_of_type(kind: object, value: BaseModel) -> None:
    validated = adapter(kind).validate_python(value.to_dict(mode="json"))
    assert type(validated) is type(value)
    assert unknown_fields(validated) == []


# ---- the Responses API ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", REPLIES)
def test_responses_streams_are_of_the_packages_types(standin, name):
    standin.brain = lambda _: REPLIES[name]
    events = ask_responses(standin, stream=True, tools=[RESPONSES_TOOL], instructions="Be kind.")
    for event in events:
        assert_of_type(ResponseStreamEvent, event)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [e.type for e in events[:2]] == ["response.created", "response.in_progress"]


@pytest.mark.parametrize("name", REPLIES)
def test_responses_answers_are_of_the_packages_types(standin, name):
    standin.brain = lambda _: REPLIES[name]
    assert_of_type(Response, ask_responses(standin, tools=[RESPONSES_TOOL]))


def test_a_responses_text_arrives_token_by_token(standin):
    standin.brain = lambda _: TEXT
    events = ask_responses(standin, stream=True)
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert tuple(deltas) == TEXT.parts[0].tokens
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == TEXT.parts[0].text
    assert [e.type for e in events if e.type != "response.output_text.delta"] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


def test_several_responses_calls_in_one_turn_arrive_apart(standin):
    standin.brain = lambda _: CALLS
    events = ask_responses(standin, stream=True, tools=[RESPONSES_TOOL])
    done = [e for e in events if e.type == "response.function_call_arguments.done"]
    assert [(e.output_index, e.arguments) for e in done] == [
        (1, '{"a":1}'),
        (2, "{}"),
        (3, '{"a":2}'),
    ]
    for index in (1, 2, 3):
        deltas = [
            e.delta
            for e in events
            if e.type == "response.function_call_arguments.delta" and e.output_index == index
        ]
        assert len(deltas) > 1
        assert "".join(deltas) == done[index - 1].arguments
    items = [e.item for e in events if e.type == "response.output_item.done"]
    assert [item.type for item in items] == ["message", *["function_call"] * 3]
    assert len({item.call_id for item in items[1:]}) == 3
    assert events[-1].response.output == items


def test_reasoning_can_be_sent_back_to_its_model_only(standin):
    standin.brain = lambda _: REASONED
    reasoning, silent, message = ask_responses(standin).output
    assert reasoning.summary[0].text == "I think."
    assert silent.summary == []
    said = [item.to_dict() for item in (reasoning, silent, message)]
    again = [*said, {"role": "user", "content": "Go on."}]
    assert ask_responses(standin, input=again).output_text == "So it is."
    with pytest.raises(openai.BadRequestError, match="is not of 'other'") as refused:
        ask_responses(standin, input=again, model="other")
    assert refused.value.code == "invalid_encrypted_content"


@pytest.mark.parametrize(
    ("name", "reason"), [("length", "max_output_tokens"), ("filter", "content_filter")]
)
def test_a_response_that_stops_early_is_incomplete(standin, name, reason):
    standin.brain = lambda _: REPLIES[name]
    last = ask_responses(standin, stream=True)[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == reason
    assert last.response.output[0].status == "incomplete"


def test_each_responses_event_is_named_after_its_type(standin):
    async def lines() -> list[str]:
        async with client(standin) as api:
            create = api.responses.with_streaming_response.create
            async with create(model="m", input="Hi", stream=True) as answer:
                return [line async for line in answer.iter_lines() if line]

    names, data = asyncio.run(lines())[::2], asyncio.run(lines())[1::2]
    assert [name.removeprefix("event: ") for name in names] == [
        json.loads(line.removeprefix("data: "))["type"] for line in data
    ]


# ---- Chat Completions ----------------------------------------------------------------------------


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


# ---- both ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["", "call_0"])
def test_the_ids_of_calls_may_be_empty_or_repeat(standin, id):
    standin.brain = lambda _: Reply([Call("add", id=id), Call("add", id=id)])
    items = ask_responses(standin, tools=[RESPONSES_TOOL]).output
    assert [item.call_id for item in items] == [id, id]
    calls = ask_chat(standin, tools=[CHAT_TOOL]).choices[0].message.tool_calls
    assert [call.id for call in calls] == [id, id]


def test_usage_is_the_replys_or_a_count_of_its_tokens(standin):
    standin.brain = scripted(REASONED, REASONED, *[Reply([], usage=Usage(3, 4, 7))] * 2)
    counted = ask_responses(standin).usage
    tokens = sum(len(part.tokens) for part in REASONED.parts)
    assert (counted.output_tokens, counted.output_tokens_details.reasoning_tokens) == (tokens, 3)
    assert counted.total_tokens == counted.input_tokens + tokens
    assert ask_chat(standin).usage.completion_tokens == tokens
    given = ask_responses(standin).usage
    assert (given.input_tokens, given.output_tokens, given.total_tokens) == (3, 4, 7)
    assert ask_chat(standin).usage.total_tokens == 7


def test_the_requests_limit_of_tokens_is_kept(standin):
    options = {"stream": True, "max_output_tokens": 3}
    last = ask_responses(standin, input="tokens=50", **options)[-1]
    assert (last.type, last.response.output_text) == ("response.incomplete", "1 2 3 ")
    said = [{"role": "user", "content": "tokens=50"}]
    choice = ask_chat(standin, messages=said, max_completion_tokens=3).choices[0]
    assert (choice.finish_reason, choice.message.content) == ("length", "1 2 3 ")


def test_ids_are_the_same_for_the_same_request_and_differ_otherwise(standin):
    first, again, other = (ask_responses(standin, input=text) for text in ("a", "a", "b"))
    assert first.id == again.id != other.id
    assert first.output[0].id == again.output[0].id != other.output[0].id


def test_models_are_listed(standin):
    async def models():
        async with client(standin) as api:
            return [model async for model in api.models.list()]

    [model] = asyncio.run(models())
    assert_of_type(openai.types.Model, model)


def test_a_path_that_is_not_there_is_answered_with_those_that_are(standin):
    async def ask():
        async with client(standin) as api:
            await api.embeddings.create(model="m", input="Hello!")

    with pytest.raises(openai.NotFoundError, match="It has POST /v1/responses"):
        asyncio.run(ask())


def test_a_brain_sees_the_same_conversation_through_both_apis(standin):
    seen = []

    def brain(request):
        seen.append(request)
        return "Yes."

    standin.brain = brain
    call = {"name": "add", "arguments": '{"a": 1}'}
    ask_responses(
        standin,
        instructions="Be kind.",
        tools=[RESPONSES_TOOL],
        input=[
            {"role": "user", "content": "Hello!"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]},
            {"role": "user", "content": [{"type": "input_text", "text": "Add!"}]},
            {"type": "function_call", "call_id": "call_1", **call},
            {"type": "function_call_output", "call_id": "call_1", "output": "3"},
        ],
    )
    ask_chat(
        standin,
        tools=[CHAT_TOOL],
        messages=[
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hello!"},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": [{"type": "text", "text": "Add!"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "3"},
        ],
    )
    for request in seen:
        assert request.model == "m"
        assert request.instructions == "Be kind."
        assert request.messages == [("user", "Hello!"), ("assistant", "Hi."), ("user", "Add!")]
        assert request.last_user_text == "Add!"
        assert request.tools == ["add"]
        assert request.tool_outputs == [("add", "3")]
        assert request.headers["authorization"] == "Bearer none"
    assert [request.api for request in seen] == ["responses", "chat"]


def test_the_page_of_dice_is_played_to_its_end(standin):
    tool = {**RESPONSES_TOOL, "name": "roll_dice"}
    said = [{"role": "user", "content": "Please roll two dice"}]
    said += [{"role": "user", "content": "Actually--roll five dice"}]
    [call] = ask_responses(standin, input=said, tools=[tool]).output
    assert (call.name, call.arguments) == ("roll_dice", '{"n_dice":5}')
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "[3, 1, 6, 2, 4]"}
    last = ask_responses(standin, input=[*said, call.to_dict(), output], tools=[tool])
    assert last.output_text == "I rolled five dice: 3, 1, 6, 2 and 4. That makes 16."


def test_the_parameters_that_are_known_are_the_packages(standin):
    assert ResponseCreateParamsStreaming.__annotations__.keys() <= parameters.RESPONSES
    assert CompletionCreateParamsStreaming.__annotations__.keys() <= parameters.CHAT


# ---- what a provider refuses ---------------------------------------------------------------------

USER = {"role": "user", "content": "Hello!"}
CALLED = {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "3"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extra_body": {"max_completion_tokens": 5}}, "no parameter 'max_completion_tokens'"),
        ({"input": []}, "'input' is missing"),
        ({"input": ["Hello!"]}, "not an array of objects"),
        ({"previous_response_id": "resp_1"}, "cannot do 'previous_response_id'"),
        ({"tools": [CHAT_TOOL]}, r"tools\[0\] has no 'name'"),
        ({"tools": [RESPONSES_TOOL | {"name": "a b"}]}, "cannot be a function's name"),
        ({"tools": [RESPONSES_TOOL | {"parameters": {}}]}, "not a JSON schema of an object"),
        (
            {"tools": [{"type": "web_search"}]},
            "of these types: code_interpreter, file_search, function",
        ),
        ({"input": [USER, CALLED]}, "no output for the tool calls c"),
        ({"input": [USER, RESULT]}, "No open tool call has the id 'c'"),
        ({"input": [CALLED, RESULT, RESULT]}, "No open tool call has the id 'c'"),
        ({"input": [CALLED, RESULT, CALLED, RESULT]}, "Two tool calls have the id 'c'"),
        ({"input": [CALLED | {"call_id": ""}]}, "empty id"),
        ({"input": [{"role": "tool", "content": "3"}]}, "no role 'tool'"),
        ({"input": [{"type": "text", "text": "Hi"}]}, "no items of the type 'text'"),
        (
            {"input": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
            "Content of the type 'text' cannot stand",
        ),
        (
            {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "Hi"}]}]},
            "Content of the type 'input_text' cannot stand",
        ),
        ({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}, "no 'encrypted_content'"),
    ],
)
def test_responses_requests_that_a_provider_would_refuse_are_refused(standin, options, message):
    with pytest.raises(openai.BadRequestError, match=message):
        ask_responses(standin, **options)
    [record] = standin.requests
    assert record.status == 400


CHAT_CALLS = {
    "role": "assistant",
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "a", "arguments": "{}"}}],
}
CHAT_RESULT = {"role": "tool", "tool_call_id": "c", "content": "3"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extra_body": {"max_output_tokens": 5}}, "no parameter 'max_output_tokens'"),
        ({"messages": []}, "'messages' is missing"),
        ({"tools": [RESPONSES_TOOL]}, r"tools\[0\].function has no 'name'"),
        ({"stream_options": {"include_usage": True}}, "'stream_options' needs 'stream'"),
        ({"messages": [USER, CHAT_CALLS]}, "no output for the tool calls c"),
        ({"messages": [CHAT_CALLS, USER, CHAT_RESULT]}, "no output for the tool calls c"),
        ({"messages": [USER, CHAT_RESULT]}, "No open tool call has the id 'c'"),
        ({"messages": [{"role": "assistant"}]}, "no 'content'"),
        ({"messages": [{"role": "bot", "content": "Hi"}]}, "no role 'bot'"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]},
            "Content of the type 'input_text' cannot stand",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]},
            "a tool call without a function",
        ),
    ],
)
def test_chat_requests_that_a_provider_would_refuse_are_refused(standin, options, message):
    with pytest.raises(openai.BadRequestError, match=message):
        ask_chat(standin, **options)


def test_a_lenient_stand_in_answers_all_the_same():
    with StandIn(strict=False) as standin:
        called = [USER, CALLED, CALLED, RESULT, RESULT | {"output": "4"}]
        assert (
            ask_responses(standin, input=called).output_text == "add answered: 3. add answered: 4."
        )


# ---- time, records, lifecycle --------------------------------------------------------------------


def stream_of(standin: StandIn, text: str) -> socket.socket:
    """A bare connection on which a Responses stream was asked for."""
    port = int(re.search(r":(\d+)/", standin.base_url)[1])
    body = json.dumps({"model": "m", "input": text, "stream": True})
    head = f"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall((head + body).encode())
    return connection


def reads_of(standin: StandIn, text: str) -> list[bytes]:
    reads = [b""]
    with stream_of(standin, text) as connection:
        while not reads[-1].endswith(b"0\r\n\r\n"):
            reads.append(connection.recv(65536))
    return reads


def test_tokens_are_spaced(standin):
    reads_of(standin, "tokens=10 delay=0.02")
    [record] = standin.requests
    waited = [written - record.begun_at for written in record.token_times]
    assert len(waited) == 10
    assert all(wait > index * 0.02 - 0.002 for index, wait in enumerate(waited))


def test_each_token_is_sent_by_itself(standin):
    # With Nagle's algorithm, or a buffer, they would come in pairs at best. A busy machine may
    # read two at once, but not three times in a row.
    def arrive_alone() -> bool:
        reads = reads_of(standin, "tokens=20 delay=0.02")
        deltas = [read.count(b"event: response.output_text.delta") for read in reads]
        assert sum(deltas) == 20
        return deltas.count(1) > 15

    assert any(arrive_alone() for _ in range(3))


def test_the_first_token_can_be_late(standin):
    standin.brain = lambda _: Reply([Text("Now.")], first_delay=0.1)
    ask_responses(standin, stream=True)
    ask_responses(standin)
    streamed, whole = standin.requests
    # The clock of an event loop has a resolution of 1 ms.
    assert 0.098 < streamed.token_times[0] - streamed.begun_at < 1
    assert 0.098 < whole.ended_at - whole.begun_at < 1


def test_a_pause_halts_an_answer_until_the_test_ends_it(standin):
    pause = Pause(after_tokens=2)
    standin.brain = lambda _: Reply([Text(["one ", "two ", "three"])], pause=pause)
    with stream_of(standin, "Hello!") as answer:
        said = b""
        while b"two" not in said:
            said += answer.recv(65536)
        [record] = standin.requests
        assert len(record.token_times) == 2
        assert b"three" not in said
        pause.end()
        while b"three" not in said:
            said += answer.recv(65536)
    assert ask_chat(standin)  # a pause that has ended halts nobody


def any_token(requests: list[Record]) -> bool:
    return any(record.token_times for record in requests)


def test_a_pause_halts_an_answer_in_one_piece_and_the_end_of_a_stream(standin):
    pause = Pause(after_tokens=1)
    standin.brain = lambda _: Reply([Text(["one"])], pause=pause)
    with ThreadPoolExecutor() as threads:
        whole = threads.submit(ask_chat, standin)
        streamed = threads.submit(ask_chat, standin, stream=True)
        standin.wait_until(lambda requests: len(requests) == 2 and any_token(requests))
        assert [record.ended_at for record in standin.requests] == [None, None]
        pause.end()
        assert whole.result(5)
        assert streamed.result(5)


def test_the_servers_delay_is_used_where_the_reply_has_none():
    with StandIn(delay=0.03) as standin:
        ask_chat(standin, messages=[{"role": "user", "content": "tokens=5"}], stream=True)
    [record] = standin.requests
    assert 0.115 < record.token_times[-1] - record.begun_at < 1


def test_a_client_that_leaves_is_noticed_within_milliseconds(standin):
    standin.brain = lambda _: Reply([Text(["one ", "two"])], delay=60)
    connection = stream_of(standin, "Hello!")
    [record] = standin.wait_until(lambda requests: requests and requests[0].token_times)
    assert not record.closed_early
    connection.close()
    closed = time.monotonic()
    standin.wait_until(lambda requests: requests[0].closed_early)
    assert record.closed_at - closed < 0.2
    assert record.ended_at == record.closed_at
    assert len(record.token_times) == 1


def test_a_client_that_leaves_before_the_brain_has_decided_is_noticed(standin):
    async def brain(request):
        await asyncio.sleep(60)

    standin.brain = brain
    connection = stream_of(standin, "Hello!")
    standin.wait_until(lambda requests: requests and requests[0].user_text == "Hello!")
    connection.close()
    standin.wait_until(lambda requests: requests[0].closed_early)


def test_an_answer_that_was_read_to_its_end_is_not_closed_early(standin):
    ask_responses(standin, input="Hello!", stream=True)
    ask_chat(standin)
    for record in standin.requests:
        assert not record.closed_early
        assert record.status == 200
        assert record.begun_at < record.ended_at
        assert record.user_text == "Hello!"
        assert record.items == [USER]
    assert [record.api for record in standin.requests] == ["responses", "chat"]


def test_an_answer_has_ended_before_its_client_can_ask_again(standin):
    async def ask_often():
        async with client(standin) as api:
            for _ in range(20):
                async for _ in await api.responses.create(model="m", input="Hi", stream=True):
                    pass

    asyncio.run(ask_often())
    for before, after in itertools.pairwise(standin.requests):
        assert before.ended_at <= after.begun_at


def test_stopping_breaks_off_what_is_being_answered_at_once():
    standin = StandIn(lambda _: Reply([Text(["one ", "two"])], delay=60)).start()
    with stream_of(standin, "Hello!"):
        standin.wait_until(lambda requests: requests and requests[0].token_times)
        before = time.monotonic()
        standin.stop()
        assert time.monotonic() - before < 2
    [record] = standin.requests
    assert record.ended_at is not None
    assert not record.closed_early


def test_a_stand_in_can_be_started_again_and_forgets_when_it_is_told(standin):
    with pytest.raises(RuntimeError, match="running already"):
        standin.start()
    ask_responses(standin)
    standin.stop()
    with pytest.raises(RuntimeError, match="not running"):
        standin.base_url  # noqa: B018
    standin.start()
    ask_responses(standin)
    assert len(standin.requests) == 2
    standin.forget()
    assert standin.requests == []


def test_a_port_that_is_taken_is_an_error_at_once(standin):
    port = int(re.search(r":(\d+)/", standin.base_url)[1])
    with pytest.raises(OSError, match="address already in use"):
        StandIn(port=port).start()


def test_a_wait_that_is_not_fulfilled_says_so(standin):
    with pytest.raises(TimeoutError, match=r"Not fulfilled within 0\.01 s"):
        standin.wait_until(bool, timeout=0.01)


def test_a_brain_that_fails_is_shown_to_the_client_and_kept(standin, caplog):
    standin.brain = by_text({"Hello": []})
    with pytest.raises(openai.BadRequestError, match="brain failed: LookupError: All 0 scripted"):
        ask_responses(standin)
    [record] = standin.requests
    assert isinstance(record.error, LookupError)
    assert "brain failed" in caplog.text


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_as_a_process_of_its_own_until_it_is_told_to_stop(sign):
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "threadmill.testing.standin", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        line = process.stdout.readline()
        url = re.fullmatch(r"stand-in on (http://127\.0\.0\.1:\d+/v1)\n", line)[1]
        api = openai.OpenAI(base_url=url, api_key="none")
        with api:
            assert api.responses.create(model="m", input="tokens=3").output_text == "1 2 3 "
        process.send_signal(sign)
        output = process.communicate(timeout=10)
    finally:
        process.kill()
    assert (process.returncode, output) == (0, ("", ""))


def test_a_process_that_cannot_have_its_port_says_so(standin):
    port = re.search(r":(\d+)/", standin.base_url)[1]
    done = subprocess.run(
        [sys.executable, "-m", "threadmill.testing.standin", "--port", port],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"The stand-in cannot listen on 127.0.0.1:{port}")
