"""What clients send wrong is answered as OpenAI's API does: which part, what was expected."""

from __future__ import annotations

from typing import Any

import pytest

from threadmill_gateway.answers.api_error import ApiError
from threadmill_gateway.bodies.assistants import AssistantBody
from threadmill_gateway.bodies.body import Body
from threadmill_gateway.bodies.messages import MessageBody
from threadmill_gateway.bodies.query import ListQuery
from threadmill_gateway.bodies.runs import RunBody

FUNCTION = {"type": "function", "function": {"name": "f"}}


def said(text: Any, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": text, **more}


def run(**fields: Any) -> dict[str, Any]:
    return {"assistant_id": "asst_1", **fields}


CASES: list[tuple[type[Body], Any, str, str | None, str]] = [
    (
        RunBody,
        {},
        "missing_required_parameter",
        "assistant_id",
        "Missing required parameter: 'assistant_id'.",
    ),
    (
        RunBody,
        {"assistant_id": 1},
        "invalid_type",
        "assistant_id",
        "expected a string, but got an integer instead",
    ),
    (
        RunBody,
        run(asistant_id="x"),
        "unknown_parameter",
        "asistant_id",
        "Unknown parameter: 'asistant_id'.",
    ),
    (
        RunBody,
        run(additional_messages=[{"role": "user"}]),
        "missing_required_parameter",
        "additional_messages[0].content",
        "'additional_messages[0].content'",
    ),
    (
        RunBody,
        run(temperature=3),
        "integer_above_max_value",
        "temperature",
        "a value <= 2, but got 3",
    ),
    (RunBody, run(top_p=-0.5), "decimal_below_min_value", "top_p", "a value >= 0, but got -0.5"),
    (
        RunBody,
        run(max_prompt_tokens=1),
        "integer_below_min_value",
        "max_prompt_tokens",
        "a value >= 256, but got 1",
    ),
    (
        RunBody,
        run(tool_choice="any"),
        "invalid_value",
        "tool_choice",
        "Supported values are: 'none', 'auto' or 'required'",
    ),
    (RunBody, run(tool_choice={"type": "any"}), "invalid_value", "tool_choice.type", "'function'"),
    (
        RunBody,
        run(tools=[FUNCTION] * 21),
        "array_above_max_length",
        "tools",
        "maximum length 20, but got an array with length 21",
    ),
    (RunBody, run(stream="yes"), "invalid_type", "stream", "expected a boolean, but got a string"),
    (
        RunBody,
        run(response_format={"type": "json_schema", "json_schema": {"name": "a b"}}),
        "invalid_value",
        "response_format.json_schema.name",
        "does not match pattern",
    ),
    (
        RunBody,
        run(response_format={"type": "json_schema"}),
        "missing_required_parameter",
        "response_format.json_schema",
        "Missing",
    ),
    (
        RunBody,
        run(truncation_strategy={"type": "last_messages", "last_messages": 0}),
        "integer_below_min_value",
        "truncation_strategy.last_messages",
        ">= 1",
    ),
    (RunBody, run(metadata={"a": 1}), "invalid_type", "metadata.a", "expected a string"),
    (
        RunBody,
        run(metadata={"a": "x" * 513}),
        "string_above_max_length",
        "metadata.a",
        "maximum length 512",
    ),
    (
        RunBody,
        run(metadata={str(i): "" for i in range(17)}),
        "invalid_value",
        "metadata",
        "at most 16 properties",
    ),
    (RunBody, run(metadata={"k" * 65: ""}), "invalid_value", "metadata", "maximum length 64"),
    (
        RunBody,
        run(threadmill={"when_busy": "wait"}),
        "invalid_value",
        "threadmill.when_busy",
        "'reject'",
    ),
    (MessageBody, said(""), "string_below_min_length", "content", "minimum length 1"),
    (
        MessageBody,
        said("x" * 256_001),
        "string_above_max_length",
        "content",
        "maximum length 256000, but got a string with length 256001",
    ),
    (MessageBody, said([]), "array_below_min_length", "content", "empty array"),
    (MessageBody, said(5), "invalid_type", "content", "expected a string, but got an integer"),
    (MessageBody, said(None), "invalid_type", "content", "but got null"),
    (
        MessageBody,
        said([{"type": "audio"}]),
        "invalid_value",
        "content[0].type",
        "'text', 'image_url', 'image_file'",
    ),
    (
        MessageBody,
        said([{"text": "x"}]),
        "missing_required_parameter",
        "content[0].type",
        "Missing",
    ),
    (
        MessageBody,
        said(["x"]),
        "invalid_type",
        "content[0]",
        "expected an object, but got a string",
    ),
    (
        MessageBody,
        said([{"type": "text", "text": {"value": "x"}}]),
        "invalid_type",
        "content[0].text",
        "expected a string, but got an object",
    ),
    (
        MessageBody,
        {"role": "system", "content": "x"},
        "invalid_value",
        "role",
        "'user' or 'assistant'",
    ),
    (AssistantBody, {"name": "x"}, "missing_required_parameter", "model", "Missing"),
    (
        AssistantBody,
        {"model": "m", "tools": [{"type": "retrieval"}]},
        "invalid_value",
        "tools[0].type",
        "'code_interpreter'",
    ),
    (
        AssistantBody,
        {"model": "m", "instructions": "x" * 256_001},
        "string_above_max_length",
        "instructions",
        "256000",
    ),
    (AssistantBody, [], "invalid_type", None, "expected an object, but got an array"),
    (ListQuery, {"limit": "0"}, "integer_below_min_value", "limit", ">= 1"),
    (ListQuery, {"limit": "101"}, "integer_above_max_value", "limit", "<= 100"),
    (
        ListQuery,
        {"limit": "many"},
        "invalid_type",
        "limit",
        "expected an integer, but got a string",
    ),
    (ListQuery, {"order": "up"}, "invalid_value", "order", "'asc' or 'desc'"),
]


@pytest.mark.parametrize(("kind", "body", "code", "param", "words"), CASES)
def test_a_body_that_is_not_valid_is_answered_with_code_parameter_and_reason(
    kind: type[Body], body: Any, code: str, param: str | None, words: str
) -> None:
    with pytest.raises(ApiError) as caught:
        kind.check(body)
    error = caught.value.error
    assert (caught.value.status, error["type"]) == (400, "invalid_request_error")
    assert (error["code"], error["param"]) == (code, param)
    assert words in error["message"]


@pytest.mark.parametrize(
    "content", [b"{", b"\xff", b'{"a": NaN}', b'{"a": "\\ud800"}', b"[" * 3000]
)
def test_a_body_that_is_not_json_is_answered_as_such(content: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        RunBody.read(content)
    assert caught.value.status == 400


def test_null_means_that_a_field_is_not_given() -> None:
    names = [name for name in RunBody.model_fields if name != "assistant_id"]
    body = RunBody.check(run(**dict.fromkeys(names)))
    assert body.given() == {"assistant_id": "asst_1"}


def test_an_empty_body_is_an_object_without_members() -> None:
    from threadmill_gateway.bodies.threads import ThreadBody

    assert ThreadBody.read(b"").given() == {}


def test_a_whole_number_is_a_temperature() -> None:
    assert RunBody.check(run(temperature=1)).temperature == 1.0
