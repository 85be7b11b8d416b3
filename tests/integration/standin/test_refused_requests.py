"""Requests that a provider refuses, and so does the stand-in."""

import openai
import pytest
from tests.support.openai_client import CHAT_TOOL, RESPONSES_TOOL, USER, ask_chat, ask_responses

from threadmill.testing import (
    StandIn,
)

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
