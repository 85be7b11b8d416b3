"""What is sent is what the installed openai package's types describe."""

from typing import Any

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter

from threadmill_shared.model import ModelRequest
from threadmill_shared.records.items import text_part
from threadmill_shared.tools import ToolSpec, external_spec
from threadmill_workers.models.chat_request import chat_body
from threadmill_workers.models.responses_request import responses_body

RESPONSES = TypeAdapter(ResponseCreateParamsStreaming)
CHAT = TypeAdapter(CompletionCreateParamsStreaming)
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
ROLL = ToolSpec(
    name="roll", description="Roll dice.", parameters=SCHEMA, identity="dice:roll", digest="d"
)


def message(role: str, *texts: str, **fields: Any) -> dict[str, Any]:
    content = [text_part(text) for text in texts]
    rest = {"status": "completed", "run_id": None, "metadata": {}, **fields}
    return {"type": "message", "id": "msg_1", "role": role, "content": content, **rest}


def call(id: str, arguments: str = '{"n": 2}') -> dict[str, Any]:
    return {
        "type": "tool_call",
        "id": f"call_ours_{id}",
        "provider_id": id,
        "name": "roll",
        "arguments": arguments,
        "run_id": "run_1",
    }


def output(id: str, text: str = "[1, 2]") -> dict[str, Any]:
    return {
        "type": "tool_output",
        "call_id": f"call_ours_{id}",
        "provider_id": id,
        "output": text,
        "failed": False,
        "run_id": "run_1",
    }


def reasoning(model: str = "m", id: str = "rs_1") -> dict[str, Any]:
    data = {"type": "reasoning", "id": id, "summary": [], "encrypted_content": "xyz"}
    return {"type": "reasoning", "model": model, "data": data, "run_id": "run_1"}


def request(*items: Any, instructions: str = "Be kind.", **options: Any) -> ModelRequest:
    return ModelRequest(model="m", instructions=instructions, items=items, **options)


def whole(value: Any) -> Any:
    """The value, with the iterators in it consumed: pydantic validates those only then."""
    if isinstance(value, dict):
        return {name: whole(part) for name, part in value.items()}
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return value
    return [whole(part) for part in value]


def responses(asked: ModelRequest) -> dict[str, Any]:
    body = responses_body(asked)
    # A field that the types do not know is missing in what they return.
    assert whole(RESPONSES.validate_python(body)) == body
    return body


def chat(asked: ModelRequest) -> dict[str, Any]:
    body = chat_body(asked)
    assert whole(CHAT.validate_python(body)) == body
    return body


def test_the_least_request_sends_nothing_that_was_not_given():
    asked = request(message("user", "Hello"), instructions="")
    assert responses(asked) == {
        "model": "m",
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Hello"}],
            }
        ],
    }
    assert chat(asked) == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "Hello"}],
    }


@pytest.mark.parametrize("strict", [True, False, None])
def test_whether_a_function_is_strict_is_sent_as_it_was_given(strict: bool | None):
    schema = {**SCHEMA, "required": ["n"], "additionalProperties": False}
    function = {"name": "add", "description": "", "parameters": schema}
    spec = external_spec({"type": "function", "function": {**function, "strict": strict}})
    asked = request(message("user", "Hello"), tools=[spec])
    assert responses(asked)["tools"] == [{"type": "function", **function, "strict": strict is True}]
    given = {**function, "strict": True} if strict else function
    assert chat(asked)["tools"] == [{"type": "function", "function": given}]
    assert spec.api_form() == {"type": "function", "function": given}


def test_every_option_has_its_name_in_either_api():
    schema = {"name": "dice", "schema": SCHEMA, "strict": True}
    asked = request(
        message("user", "Hello"),
        tools=[ROLL],
        tool_choice={"type": "function", "function": {"name": "roll"}},
        temperature=0.0,
        top_p=0.5,
        max_completion_tokens=7,
        parallel_tool_calls=False,
        response_format={"type": "json_schema", "json_schema": schema},
    )
    common = {"temperature": 0.0, "top_p": 0.5, "parallel_tool_calls": False}
    function = {"name": "roll", "description": "Roll dice.", "parameters": SCHEMA}
    assert (
        responses(asked).items()
        >= {
            **common,
            "instructions": "Be kind.",
            "max_output_tokens": 7,
            "tools": [{"type": "function", "strict": False, **function}],
            "tool_choice": {"type": "function", "name": "roll"},
            "text": {"format": {"type": "json_schema", **schema}},
        }.items()
    )
    assert (
        chat(asked).items()
        >= {
            **common,
            "max_completion_tokens": 7,
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": "roll"}},
            "response_format": {"type": "json_schema", "json_schema": schema},
        }.items()
    )
    assert chat(asked)["messages"][0] == {"role": "system", "content": "Be kind."}


@pytest.mark.parametrize("choice", ["none", "auto", "required"])
def test_a_tool_choice_in_one_word_stays_one(choice):
    asked = request(message("user", "Hello"), tools=[ROLL], tool_choice=choice)
    assert responses(asked)["tool_choice"] == chat(asked)["tool_choice"] == choice


def test_without_tools_nothing_is_said_of_tools():
    asked = request(message("user", "Hello"), tool_choice="auto", parallel_tool_calls=True)
    unwanted = {"tools", "tool_choice", "parallel_tool_calls"}
    assert not unwanted & (responses(asked).keys() | chat(asked).keys())


def test_response_formats_other_than_a_schema():
    as_json = request(message("user", "Hello"), response_format={"type": "json_object"})
    assert responses(as_json)["text"] == {"format": {"type": "json_object"}}
    assert chat(as_json)["response_format"] == {"type": "json_object"}
    auto = request(message("user", "Hello"), response_format="auto")
    assert "text" not in responses(auto)
    assert "response_format" not in chat(auto)


def test_a_turn_of_text_and_calls_in_responses():
    items = [message("user", "Roll"), reasoning(), message("assistant", "Rolling. ", "Now.")]
    sent = responses(request(*items, call("c1"), call("c2"), output("c1"), output("c2")))["input"]
    assert sent[1:] == [
        reasoning()["data"],
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Rolling. Now.", "annotations": []}],
        },
        {"type": "function_call", "call_id": "c1", "name": "roll", "arguments": '{"n": 2}'},
        {"type": "function_call", "call_id": "c2", "name": "roll", "arguments": '{"n": 2}'},
        {"type": "function_call_output", "call_id": "c1", "output": "[1, 2]"},
        {"type": "function_call_output", "call_id": "c2", "output": "[1, 2]"},
    ]


def chat_call(id: str, arguments: str = '{"n": 2}') -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "roll", "arguments": arguments}}


def test_a_turn_of_text_and_calls_is_one_message_in_chat():
    items = [message("user", "Roll"), reasoning(), message("assistant", "Rolling.")]
    sent = chat(request(*items, call("c1"), call("c2"), output("c1"), output("c2")))["messages"]
    assert sent[2:] == [
        {
            "role": "assistant",
            "content": "Rolling.",
            "tool_calls": [chat_call("c1"), chat_call("c2")],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "[1, 2]"},
        {"role": "tool", "tool_call_id": "c2", "content": "[1, 2]"},
    ]


def test_text_after_calls_joins_their_message_in_chat():
    items = [message("user", "Roll"), call("c1"), message("assistant", "Rolling."), output("c1")]
    sent = chat(request(*items))["messages"]
    assert [entry["role"] for entry in sent] == ["system", "user", "assistant", "tool"]
    assert sent[2]["content"] == "Rolling."


def test_the_calls_of_two_turns_are_two_messages_in_chat():
    items = [call("c1"), output("c1"), call("c2"), output("c2"), message("assistant", "Done.")]
    sent = chat(request(message("user", "Roll"), *items))["messages"]
    assert [entry["role"] for entry in sent[2:]] == [
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]
    assert sent[2] == {"role": "assistant", "content": None, "tool_calls": [chat_call("c1")]}


@pytest.mark.parametrize("broken", ["", '{"n": ', "[1]", "two"])
def test_arguments_that_are_no_object_are_replaced_in_chat(broken):
    sent = chat(request(call("c1", broken), output("c1", "Your arguments are no JSON.")))
    assert sent["messages"][-2]["tool_calls"] == [chat_call("c1", "{}")]


def test_an_incomplete_message_is_sent_and_an_empty_one_is_not():
    cut = message("assistant", "Half a", status="incomplete", reason="run_cancelled")
    asked = request(message("user", "Hello"), cut, message("assistant"), message("user", ""))
    assert [entry["role"] for entry in responses(asked)["input"]] == ["user", "assistant"]
    assert chat(asked)["messages"][1:] == [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Half a"},
    ]


def test_reasoning_goes_only_to_the_model_that_made_it():
    asked = request(message("user", "Roll"), reasoning("other"), call("c1"), output("c1"))
    kinds = [entry["type"] for entry in responses(asked)["input"]]
    assert kinds == ["message", "function_call", "function_call_output"]


def test_reasoning_that_nothing_of_the_models_follows_is_left_out():
    cut = [message("user", "Roll"), reasoning(), message("assistant"), message("user", "Well?")]
    second, lone = reasoning(id="rs_2"), reasoning(id="rs_3")
    asked = request(*cut, reasoning(), second, message("assistant", "Yes."), lone)
    kinds = [entry["type"] for entry in responses(asked)["input"]]
    assert kinds == ["message", "message", "reasoning", "reasoning", "message"]


def test_the_include_is_left_out_for_a_model_that_refused_it():
    body = responses_body(request(message("user", "Hello")), encrypted_reasoning=False)
    assert "include" not in body


def test_a_long_description_is_shortened_for_chat_only(caplog: pytest.LogCaptureFixture):
    long = "Search the archive. " + "Results come newest first. " * 60
    asked = request(message("user", "Find it"), tools=(described("search", long),))
    assert responses(asked)["tools"][0]["description"] == long
    for _ in range(2):
        shortened = chat(asked)["tools"][0]["function"]["description"]
        assert len(shortened) <= 1024
        words = shortened.removesuffix("...")
        assert shortened != words
        assert long.startswith(words + " ")
    assert len([r for r in caplog.records if "search has 1640 characters" in r.message]) == 1


@pytest.mark.parametrize("text", ["x" * 1024, "x" * 1025, "x" * 10 + " " + "y" * 2000])
def test_a_description_is_never_longer_than_chat_takes(text: str):
    asked = request(message("user", "Find it"), tools=(described("find", text),))
    shortened = chat(asked)["tools"][0]["function"]["description"]
    assert len(shortened) == min(len(text), 1024)
    assert shortened[:1000] == text[:1000]


def described(name: str, description: str) -> ToolSpec:
    parameters = {"type": "object", "properties": {}}
    return ToolSpec(
        name=name, description=description, parameters=parameters, identity="", digest="d"
    )


OPTIONS = {"service_tier": "flex", "safety_identifier": "user-1"}


def test_options_of_reasoning_and_length_are_where_each_api_has_them() -> None:
    asked = request(message("user", "Hi"), reasoning_effort="low", verbosity="high", **OPTIONS)
    body = responses_body(asked)
    assert (body["reasoning"], body["text"]) == ({"effort": "low"}, {"verbosity": "high"})
    assert body.items() >= OPTIONS.items()
    RESPONSES.validate_python(body)
    body = chat_body(asked)
    assert (body["reasoning_effort"], body["verbosity"]) == ("low", "high")
    assert body.items() >= OPTIONS.items()
    CHAT.validate_python(body)


def test_a_verbosity_and_a_format_of_the_text_are_sent_together() -> None:
    form = {"type": "json_object"}
    body = responses_body(request(message("user", "Hi"), verbosity="low", response_format=form))
    assert body["text"] == {"format": form, "verbosity": "low"}


@pytest.mark.parametrize("make", [responses_body, chat_body])
def test_nothing_is_sent_of_options_that_are_not_set(make: Any) -> None:
    body = make(request(message("user", "Hi")))
    names = ("reasoning", "reasoning_effort", "text", "verbosity", "service_tier", "extra_body")
    assert not body.keys() & {*names, "safety_identifier", "temperature"}


@pytest.mark.parametrize("make", [responses_body, chat_body])
def test_an_extra_body_adds_to_the_body_and_to_its_objects(make: Any) -> None:
    extra = {"seed": 7, "store": None, "deep": {"a": [1]}, "temperature": 0.5}
    body = make(request(message("user", "Hi"), temperature=1, extra_body=extra))
    assert body.items() >= extra.items()
    assert body["model"] == "m"
    asked = request(
        message("user", "Hi"),
        reasoning_effort="low",
        extra_body={"reasoning": {"summary": "auto"}, "stream_options": {"x": 1}},
    )
    assert responses_body(asked)["reasoning"] == {"effort": "low", "summary": "auto"}
    assert chat_body(asked)["stream_options"] == {"include_usage": True, "x": 1}
