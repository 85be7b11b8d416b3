"""What only OpenAI's Responses API does."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.scripted_provider import END, Responses, asking, events, request, sending

from threadmill_shared.errors import ModelRefused
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


def refused_with_include(error, refused=lambda body: "include" in body):
    """Whether each of the requests of two turns asked for reasoning, and how the turns ended."""
    api = Responses()

    async def play(exchange):
        if refused(exchange.body):
            await exchange.refuse("400 Bad Request", {"error": error})
        else:
            await exchange.whole(api.text("a"), api.end())

    async def ask():
        async with asking(api, play) as (model, served):
            ends = [await end_of_turn(model) for _ in range(2)]
            return ["include" in asked.body for asked in served.requests], ends

    return asyncio.run(ask())


async def end_of_turn(model):
    try:
        return [event async for event in model.stream(request())][-1]
    except ModelRefused as error:
        return type(error)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Encrypted content is not supported with this model.", "param": "include"},
        {"message": "Encrypted content is not supported with this model."},
        {"message": "Unknown parameter: 'include'.", "param": None},
        {"message": "Not taken.", "param": "response.include"},
        {"message": "Not taken.", "param": "include[0]"},
        {"message": "Unsupported include item: reasoning.encrypted_content"},
        {"detail": [{"loc": ["body", "include", 0], "msg": "Input should be 'a' or 'b'"}]},
        {"message": "[{'loc': ('body', 'include', 0), 'msg': \"Input should be 'a'\"}]"},
    ],
)
def test_responses_ask_once_only_for_reasoning_that_a_model_has_not(error):
    assert refused_with_include(error) == ([True, False, False], [END, END])


@pytest.mark.parametrize(
    "said",
    [
        "The encrypted content for item rs_1 is not supported in this region.",
        "The encrypted content of a reasoning item is not supported in this region.",
        "Invalid value: reasoning.encrypted_content of item rs_1 could not be decrypted.",
        "Item rs_1: reasoning.encrypted_content could not be verified.",
        "Input item 'rs_1': 'include' reasoning.encrypted_content is not supported.",
    ],
)
def test_responses_go_on_asking_for_reasoning_if_one_threads_is_refused(said):
    assert refused_with_include({"message": said}) == ([True, True], [ModelRefused, ModelRefused])


def test_responses_learn_nothing_from_a_refusal_that_is_repeated_without_the_question():
    error = {"message": "reasoning.encrypted_content is not valid."}
    asked, ends = refused_with_include(error, lambda _: True)
    assert (asked, ends) == ([True, False, True, False], [ModelRefused, ModelRefused])
