"""The Responses API of the stand-in: every event is of the openai package's own types."""

import asyncio
import json

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from tests.support.openai_client import (
    CALLS,
    REASONED,
    REPLIES,
    RESPONSES_TOOL,
    TEXT,
    ask_responses,
    assert_of_type,
    client,
)


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
    with pytest.raises(openai.BadRequestError, match="could not be verified") as refused:
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
