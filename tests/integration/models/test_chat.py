"""What only Chat Completions does."""

import asyncio
import json
import re
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.support.scripted_provider import (
    END,
    Chat,
    asking,
    events,
    failure,
    refusing,
    request,
    sending,
    sse,
)

from threadmill_shared.errors import ModelRefused
from threadmill_shared.model import (
    FinishReason,
    MessageEnded,
    OpaqueFieldsReceived,
    TextDelta,
    ToolCalled,
    TurnEnded,
    Usage,
)
from threadmill_workers.execution.turn import fields_item


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


def test_chat_leaves_out_what_a_model_refuses_and_adds_what_it_insists_on():
    api = Chat()
    fields = OpaqueFieldsReceived({"reasoning": "A die.", "reasoning_content": "A die."})
    said = [
        "property 'messages.1.reasoning' is unsupported",
        "Function call is missing a thought_signature in functionCall parts.",
    ]

    async def play(exchange):
        text = json.dumps(exchange.body)
        lacks = ['"reasoning"' not in text, "thought_signature" in text]
        if all(lacks):
            await exchange.whole(api.text("a"), api.end())
        else:
            error = {"message": said[lacks.index(False)], "param": "validation_error"}
            await exchange.refuse("422 No", {"error": error})

    async def ask():
        async with asking(api, play) as (model, served):
            for _ in range(2):
                assert [event async for event in model.stream(asked)][-1] == END
            assert model.body(asked) == served.requests[-1].body
            return [exchange.body["messages"][2] for exchange in served.requests]

    own = {"run_id": "run_1", "provider_id": "call_1"}
    call = {"type": "tool_call", "id": "call_1", "name": "f", "arguments": "{}", **own}
    asked = replace(request(), items=[*request().items, fields_item(fields, "m", "run_1"), call])
    sent = asyncio.run(ask())
    assert len(sent) == 4
    assert ["reasoning" in message for message in sent] == [True, False, False, False]
    assert all(message["reasoning_content"] == "A die." for message in sent)
    assert ["extra_content" in message["tool_calls"][0] for message in sent] == [
        False,
        False,
        True,
        True,
    ]


def test_chat_asks_once_if_what_was_refused_is_no_field():
    api = Chat()
    error = failure(api, refusing("400 No", {"error": {"message": "Unknown parameter: 'top_k'."}}))
    assert isinstance(error, ModelRefused)


def forbidden(*place):
    wrong = {"type": "extra_forbidden", "loc": ["body", *place], "input": None}
    detail = [wrong | {"msg": "Extra inputs are not permitted"}]
    known = {"type": "invalid_request_error", "param": None, "code": None}
    return {"object": "error", "message": {"detail": detail}, **known}


def test_chat_asks_mistral_without_options_that_it_does_not_have():
    # https://github.com/openai/openai-agents-python/issues/442,
    # https://github.com/editor-code-assistant/eca/issues/231
    api = Chat()

    async def play(exchange):
        if "stream_options" in exchange.body:
            await exchange.refuse("422 No", forbidden("stream_options", "include_usage"))
        elif "max_completion_tokens" in exchange.body:
            await exchange.refuse("422 No", forbidden("max_completion_tokens"))
        else:
            await exchange.whole(api.text("a"), api.end())

    async def ask():
        async with asking(api, play) as (model, served):
            for _ in range(2):
                assert [event async for event in model.stream(asked)][-1] == END
            assert model.body(asked) == served.requests[-1].body
            return [exchange.body for exchange in served.requests]

    asked = replace(request(), max_completion_tokens=100)
    sent = asyncio.run(ask())
    assert len(sent) == 4
    assert "stream_options" not in sent[-1]
    assert (sent[-1]["max_tokens"], sent[0]["max_completion_tokens"]) == (100, 100)


def test_chat_gives_mistral_short_ids_for_the_calls_of_another_provider():
    said = "Tool call id was call_Ab3dEf6h but must be a-z, A-Z, 0-9, with a length of 9."
    call = {"type": "tool_call", "id": "call_a", "provider_id": "call_Ab3dEf6h", "name": "f"}
    call |= {"arguments": "{}", "run_id": "run_1"}
    output = {"type": "tool_output", "call_id": "call_a", "provider_id": "call_Ab3dEf6h"}
    output |= {"output": "4", "failed": False, "run_id": "run_1"}
    asked = replace(request(), items=[*request().items, call, output])
    api = Chat()

    async def play(exchange):
        if "call_Ab3dEf6h" in str(exchange.body):
            await exchange.refuse("400 No", {"object": "error", "message": said, "code": "3280"})
        else:
            await exchange.whole(api.text("a"), api.end())

    async def ask():
        async with asking(api, play) as (model, served):
            for _ in range(2):
                assert [event async for event in model.stream(asked)][-1] == END
            assert model.body(asked) == served.requests[-1].body
            return [exchange.body for exchange in served.requests]

    _refused, *others = asyncio.run(ask())
    assert len(others) == 2
    [id] = [one["id"] for message in others[0]["messages"] for one in message.get("tool_calls", ())]
    assert re.fullmatch("[a-zA-Z0-9]{9}", id)
    assert [m["tool_call_id"] for m in others[1]["messages"] if "tool_call_id" in m] == [id]


def test_chat_asks_no_more_for_an_option_that_is_refused_by_either_name():
    said = "Unsupported parameter: 'max_completion_tokens' and 'max_tokens' are not supported."
    api, asked = Chat(), replace(request(), max_completion_tokens=100)

    async def play(exchange):
        await exchange.refuse("400 No", {"error": {"message": said}})

    async def ask():
        async with asking(api, play) as (model, served):
            for _ in range(2):
                with pytest.raises(ModelRefused):
                    [event async for event in model.stream(asked)]
            return [exchange.body for exchange in served.requests]

    sent = asyncio.run(ask())
    assert ["max_tokens" in body for body in sent] == [False, True, False, False]


@pytest.mark.parametrize(
    "said",
    [
        "max_completion_tokens is too large: 9. This model supports at most 8 tokens.",
        "Unsupported value: 'max_completion_tokens' must be at least 16.",
    ],
)
def test_chat_asks_once_if_the_value_of_an_option_is_refused(said):
    api, asked = Chat(), replace(request(), max_completion_tokens=9)

    async def play(exchange):
        await exchange.refuse("400 No", {"error": {"message": said}})

    async def ask():
        async with asking(api, play) as (model, served):
            with pytest.raises(ModelRefused):
                [event async for event in model.stream(asked)]
            return len(served.requests)

    assert asyncio.run(ask()) == 1


def test_chat_leaves_out_a_field_that_mistral_names_by_its_place():
    # https://github.com/charmbracelet/crush/issues/1590
    api = Chat()
    fields = OpaqueFieldsReceived({"reasoning_content": "A die."})
    place = ("messages", 2, "assistant", "reasoning_content")

    async def play(exchange):
        if "reasoning_content" in json.dumps(exchange.body):
            await exchange.refuse("422 No", forbidden(*place))
        else:
            await exchange.whole(api.text("a"), api.end())

    async def ask():
        async with asking(api, play) as (model, served):
            assert [event async for event in model.stream(asked)][-1] == END
            return len(served.requests)

    own = {"run_id": "run_1", "provider_id": "call_1"}
    call = {"type": "tool_call", "id": "call_1", "name": "f", "arguments": "{}", **own}
    asked = replace(request(), items=[*request().items, fields_item(fields, "m", "run_1"), call])
    assert asyncio.run(ask()) == 2


def reasoning_of_requests(refuses, turns=1):
    """The reasoning in each request of some turns with a thread that has some.

    Args:
        refuses: what the provider says to a request, by its number and reasoning; "": it answers.
    """
    api = Chat()

    async def play(exchange):
        reasoning = exchange.body["messages"][2].get("reasoning_content")
        if said := refuses(len(served.requests), reasoning):
            await exchange.refuse("400 No", {"error": {"message": said}})
        else:
            await exchange.whole(api.text("a"), api.end())

    async def ask():
        nonlocal served
        async with asking(api, play) as (model, served):
            for _ in range(turns):
                with suppress(ModelRefused):
                    [event async for event in model.stream(asked)]
            return [one.body["messages"][2].get("reasoning_content") for one in served.requests]

    served = None
    fields = OpaqueFieldsReceived({"reasoning_content": "A die."})
    own = {"run_id": "run_1", "provider_id": "call_1"}
    call = {"type": "tool_call", "id": "call_1", "name": "f", "arguments": "{}", **own}
    asked = replace(request(), items=[*request().items, fields_item(fields, "m", "run_1"), call])
    return asyncio.run(ask())


@pytest.mark.parametrize(
    "said",
    [
        "'reasoning_content' is not supported together with tools",
        "This model does not support reasoning_content with that effort",
        "Unknown parameter: 'reasoning_content'.",
    ],
)
def test_chat_learns_nothing_of_a_field_from_a_refusal_that_is_repeated_without_it(said):
    assert reasoning_of_requests(lambda _, __: said, turns=2) == ["A die.", None, "A die.", None]


def test_chat_sends_a_field_again_that_it_has_left_out_once_the_model_insists_on_it():
    refusals = {
        1: "Unknown parameter: 'reasoning_content'.",
        3: "The `reasoning_content` in the thinking mode must be passed back to the API.",
    }
    got = reasoning_of_requests(lambda number, _: refusals.get(number, ""), turns=3)
    assert got == ["A die.", None, None, "A die.", "A die."]


def test_chat_ends_if_a_provider_wants_a_field_both_sent_and_left_out():
    def refuse(_, reasoning):
        return "Unknown field reasoning_content" if reasoning else "reasoning_content is missing"

    assert reasoning_of_requests(refuse, turns=2) == ["A die.", None, "A die."] * 2
