"""What both APIs of the stand-in have in common."""

import asyncio

import openai
import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from tests.support.openai_client import (
    CHAT_TOOL,
    REASONED,
    RESPONSES_TOOL,
    ask_chat,
    ask_responses,
    assert_of_type,
    client,
)

from threadmill.testing import (
    Call,
    Reply,
    scripted,
)
from threadmill.testing.standin import parameters
from threadmill_shared.model import Usage
from threadmill_shared.settings import DEFAULT_MODEL


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
    options = {"stream": True, "max_output_tokens": 16}
    last = ask_responses(standin, input="tokens=50", **options)[-1]
    assert (last.type, last.response.output_text[-6:]) == ("response.incomplete", "15 16 ")
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

    found = asyncio.run(models())
    assert [model.id for model in found] == ["stand-in", DEFAULT_MODEL]
    for model in found:
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
