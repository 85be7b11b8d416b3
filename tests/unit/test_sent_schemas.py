"""Whatever schema a tool or a result has, it is sent in words that every provider takes."""

from __future__ import annotations

import decimal
import json
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import BaseModel, Field, WithJsonSchema
from tests.support.sent_bodies import BODIES, refusal_of

from threadmill.runs.result_types import ResultType
from threadmill_shared.model import ModelRequest
from threadmill_shared.records.definition import RunOptions
from threadmill_shared.tools import ToolSpec

apis = pytest.mark.parametrize("api", BODIES)

SAID: Any = {
    "type": "message",
    "id": "msg_1",
    "role": "user",
    "content": [{"type": "text", "text": {"value": "Hello!", "annotations": []}}],
    "status": "completed",
}


def sent(api: str, **options: Any) -> dict[str, Any]:
    """The body of a request with these options, which the strict stand-in takes."""
    body = BODIES[api](ModelRequest(model="m", instructions="", items=[SAID], **options))
    assert refusal_of(body) is None
    return body


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and all objects in it."""
    if isinstance(schema, dict):
        yield schema
    for inner in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(inner, dict | list):
            yield from parts(inner)


# ---- results ---------------------------------------------------------------------------------


class Corner(NamedTuple):
    x: int
    y: str


@dataclass
class Box:
    corners: tuple[Corner, Corner]
    kind: Literal["box"] = "box"
    weight: float = math.nan
    height: float = math.inf


class Node(BaseModel):
    size: tuple[int, float] = (0, 0.0)
    tags: set[str] = {"a", "b"}
    children: list[Node] = []


class Opaque:
    """Nothing that JSON has."""


class Odd(BaseModel, arbitrary_types_allowed=True):
    raw: bytes = b"\xff"
    price: decimal.Decimal = decimal.Decimal("1.5")
    opaque: Annotated[Opaque, WithJsonSchema({"type": "string"})] = Field(default=Opaque())
    bound: float = Field(1.0, gt=-math.inf, le=math.inf)


class Choice(BaseModel, json_schema_extra={"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}):
    a: int = 0
    b: tuple[int, str] = (0, "")


TYPES = [
    tuple[int, str],
    tuple[()],
    tuple,
    list[tuple[int, str] | None],
    dict[str, tuple[int, str]],
    Corner,
    Box,
    Node,
    list[Node],
    Odd,
    Choice,
    Literal["a"],
    Box | Node,
    Annotated[dict, WithJsonSchema({"type": "object", "properties": None})],
    Annotated[dict, WithJsonSchema({"type": ["object"], "required": None, "minProperties": None})],
    Any,
]


def stored_format(result_type: Any) -> Any:
    """The run option for the type, as it is read from the store."""
    options = RunOptions(response_format=ResultType(result_type).response_format)
    return RunOptions.model_validate_json(options.model_dump_json()).response_format


def sent_schema(api: str, response_format: Any) -> dict[str, Any]:
    body = sent(api, response_format=response_format)
    whole = body["response_format"]["json_schema"] if api == "chat" else body["text"]["format"]
    schema: dict[str, Any] = whole["schema"]
    json.dumps(schema, allow_nan=False)
    return schema


@apis
@pytest.mark.parametrize("result_type", TYPES, ids=str)
def test_the_schema_of_any_result_is_one_that_providers_take(result_type: Any, api: str) -> None:
    with warnings.catch_warnings(action="error"):
        schema = sent_schema(api, stored_format(result_type))
    assert schema["type"] == "object"
    assert not {"anyOf", "oneOf", "allOf", "enum", "not", "$ref"} & schema.keys()
    for part in parts(schema):
        assert not {"prefixItems", "const"} & part.keys()
        assert isinstance(part.get("properties", {}), dict)
        assert part.get("type") != "array" or isinstance(part["items"], dict)


@apis
def test_a_schema_that_all_providers_take_is_sent_as_it_is(api: str) -> None:
    class Place(BaseModel):
        town: str
        people: int | None = None

    stored = stored_format(Place)
    assert sent_schema(api, stored) == stored["json_schema"]["schema"]


def test_the_schema_is_stored_as_the_type_has_it_since_results_are_validated_against_that() -> None:
    schema = stored_format(tuple[int, str])["json_schema"]["schema"]
    assert [one["type"] for one in schema["properties"]["result"]["prefixItems"]] == [
        "integer",
        "string",
    ]


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "int"}, "its schema is not valid at properties.result.type: it must be one of"),
        ({"$ref": "https://example.com/s"}, "it must begin with '#/'"),
        ({"type": "string", "enum": [math.nan]}, "is not JSON"),
    ],
)
def test_a_result_that_providers_refuse_in_any_words_is_refused_at_once(
    schema: dict[str, Any], reason: str
) -> None:
    wanted = ResultType(Annotated[str, WithJsonSchema(schema)])
    with pytest.raises(TypeError, match="result_type cannot be") as refused:
        _ = wanted.response_format
    assert reason in str(refused.value)


@apis
@pytest.mark.parametrize("strict", [True, False])
def test_a_format_of_the_callers_own_is_made_fit_too(strict: bool, api: str) -> None:
    schema = {
        "type": "object",
        "properties": {"at": {"type": "array", "prefixItems": [{"type": "integer"}] * 2}},
        "required": ["at"],
        "additionalProperties": False,
    }
    described = {"name": "place", "schema": schema, "strict": strict}
    found = sent_schema(api, {"type": "json_schema", "json_schema": described})
    assert found["properties"]["at"] == {"type": "array", "items": {"type": "integer"}}


@apis
def test_a_format_of_the_callers_own_that_some_servers_take_is_left_to_them(api: str) -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    wanted = {"type": "json_schema", "json_schema": {"name": "list", "schema": schema}}
    request = ModelRequest(model="m", instructions="", items=[SAID], response_format=wanted)
    body = BODIES[api](request)
    assert (body.get("response_format") or body["text"]["format"]) == (
        wanted if api == "chat" else {"type": "json_schema", "name": "list", "schema": schema}
    )


@apis
@pytest.mark.parametrize("wanted", [{"type": "json_object"}, {"type": "text"}, "auto", None])
def test_other_formats_are_sent_as_they_are(wanted: Any, api: str) -> None:
    request = ModelRequest(model="m", instructions="", items=[SAID], response_format=wanted)
    body = BODIES[api](request)
    found = body.get("response_format") or body.get("text", {}).get("format")
    assert found == (wanted if isinstance(wanted, dict) else None)


# ---- tools that an older release has stored --------------------------------------------------

STORED = [
    {},
    {"type": "object"},
    {"type": "object", "properties": None},
    {"type": "object", "properties": None, "required": None},
    {"type": "object", "properties": {"at": {"type": "array", "prefixItems": [{}, {}]}}},
    {"type": "object", "properties": {"at": {"type": "array"}}},
    {"type": "object", "properties": {"at": {"type": "number", "maximum": None, "default": None}}},
    {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"a": True}}}},
]


def stored_tool(parameters: dict[str, Any]) -> ToolSpec:
    """A tool as the last release has stored it."""
    fields = {"name": "look", "parameters": parameters, "identity": "shop:look", "digest": "d" * 16}
    return ToolSpec.model_validate_json(json.dumps(fields))


@apis
@pytest.mark.parametrize("parameters", STORED, ids=str)
def test_a_tool_that_was_stored_with_any_schema_is_sent_with_one_that_providers_take(
    parameters: dict[str, Any], api: str
) -> None:
    spec = stored_tool(parameters)
    [tool] = sent(api, tools=[spec])["tools"]
    schema = tool.get("function", tool)["parameters"]
    assert schema["type"] == "object"
    assert isinstance(schema["properties"], dict)
    assert "None" not in repr(schema).replace("'default': None", "")
    assert (spec.parameters, spec.digest) == (parameters, "d" * 16)


@apis
def test_a_stored_schema_for_which_there_are_no_other_words_is_sent_as_it_is(api: str) -> None:
    parameters = {"type": "object", "anyOf": [{"required": ["a"]}]}
    request = ModelRequest(
        model="m", instructions="", items=[SAID], tools=[stored_tool(parameters)]
    )
    [tool] = BODIES[api](request)["tools"]
    assert tool.get("function", tool)["parameters"] == parameters
