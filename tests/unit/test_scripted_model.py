"""The scripted model plays what a test wrote down, and remembers what it was asked."""

import asyncio

import pytest

from threadmill.testing import ScriptedModel
from threadmill_shared import errors
from threadmill_shared.model import (
    FinishReason,
    MessageEnded,
    Model,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCalled,
    TurnEnded,
    Usage,
)
from threadmill_shared.records.items import MessageItem, text_part

ASKED = ModelRequest(model="m", instructions="", items=[])


def collected(model: Model, request: ModelRequest = ASKED) -> list[ModelEvent]:
    async def collect() -> list[ModelEvent]:
        return [event async for event in model.stream(request)]

    return asyncio.run(collect())


def said(text: str) -> MessageItem:
    return {
        "type": "message",
        "id": "msg_0",
        "role": "user",
        "content": [text_part(text)],
        "status": "completed",
        "run_id": None,
        "assistant_id": None,
        "assistant_name": None,
        "metadata": {},
    }


def test_turns_are_played_in_order_one_per_request():
    called = [ToolCalled("add", '{"a": 1}'), TurnEnded(usage=Usage(1, 2, 3))]
    answered = [
        TextDelta("It is "),
        TextDelta("1."),
        MessageEnded(),
        TurnEnded(FinishReason.LENGTH),
    ]
    model = ScriptedModel(called, answered)
    assert collected(model) == called
    assert collected(model) == answered


def test_a_text_is_a_turn_that_says_it():
    assert collected(ScriptedModel("Hi.")) == [TextDelta("Hi."), MessageEnded(), TurnEnded()]


@pytest.mark.parametrize("turn", [[], [TextDelta("Hi."), MessageEnded()]])
def test_a_turn_that_does_not_say_how_it_ended_has_ended_well(turn):
    assert collected(ScriptedModel(turn)) == [*turn, TurnEnded()]


def test_an_error_in_place_of_a_turn_is_raised():
    model = ScriptedModel(errors.ModelUnavailable("busy", retry_after=1.0), "Hi.")
    with pytest.raises(errors.ModelUnavailable, match="busy"):
        collected(model)
    assert collected(model)[0] == TextDelta("Hi.")


def test_an_error_among_events_breaks_the_stream_off():
    async def read() -> None:
        stream = ScriptedModel([TextDelta("Hi"), errors.ModelGarbled("cut")]).stream(ASKED)
        assert await anext(stream) == TextDelta("Hi")
        with pytest.raises(errors.ModelGarbled, match="cut"):
            await anext(stream)

    asyncio.run(read())


def test_one_request_too_many_is_refused_with_the_numbers():
    model = ScriptedModel("Hi.")
    collected(model)
    with pytest.raises(errors.ModelRefused, match="no turn left for request 2: it was given 1"):
        collected(model)


def test_requests_are_remembered_as_they_were_sent():
    model = ScriptedModel("Hi.")
    items = [said("Hello!")]
    collected(model, ModelRequest(model="m", instructions="Be kind.", items=items))
    items.append(said("later"))
    [request] = model.requests
    assert request.instructions == "Be kind."
    assert list(request.items) == [said("Hello!")]


def test_closing_is_noted():
    model = ScriptedModel()
    assert not model.closed
    asyncio.run(model.close())
    assert model.closed
