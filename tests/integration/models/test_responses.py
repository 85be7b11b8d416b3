"""What only OpenAI's Responses API does."""

import asyncio
from dataclasses import replace

from tests.support.scripted_provider import END, Responses, asking, events, request, sending

from threadmill_shared.model import (
    FinishReason,
    MessageEnded,
    ReasoningReceived,
    TextDelta,
    TurnEnded,
    Usage,
)
from threadmill_workers.models.responses_request import responses_body


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


def test_responses_keep_what_signs_reasoning():
    api = Responses()
    content = [{"type": "reasoning_text", "text": "A die."}]
    signed = {"signature": "c2ln", "format": "anthropic-claude-v1"}
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "content": content, **signed}
    [received, _] = events(api, sending(api.done(**item), api.end()))
    assert received == ReasoningReceived(item)
    stored = {"type": "reasoning", "model": "m", "data": received.data, "run_id": "run_1"}
    own = {"run_id": "run_1", "provider_id": "call_1"}
    call = {"type": "tool_call", "id": "call_1", "name": "f", "arguments": "{}", **own}
    asked = replace(request(), items=[*request().items, stored, call])
    assert item in responses_body(asked)["input"]


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
