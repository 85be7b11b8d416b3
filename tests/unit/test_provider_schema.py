"""What providers refuse in a tool's schema is said in other words, or refused before it is sent."""

import enum
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import pytest
from pydantic import BaseModel
from tests.support.tool_functions import called

from threadmill.runs.tool_list import specs
from threadmill_shared.errors import BadTool
from threadmill_shared.tools import as_tool, external_spec, tool
from threadmill_shared.tools.spec import schema_digest


def parameters_of(schema: Any) -> dict[str, Any]:
    """The parameters that are sent for a tool with this schema; the same for both forms of it."""
    described = {"name": "ping", "parameters": schema}
    nested = external_spec({"type": "function", "function": described}).parameters
    assert external_spec({"type": "function", **described}).parameters == nested
    json.dumps(nested, allow_nan=False)
    return nested


def sent_for(function: Callable[..., Any]) -> dict[str, Any]:
    found: dict[str, Any] = as_tool(function).spec.parameters
    assert "prefixItems" not in json.dumps(found, allow_nan=False)
    return found


# ---- tuples ----------------------------------------------------------------------------------


class Corner(NamedTuple):
    x: int
    y: int


@dataclass
class Box:
    corners: tuple[Corner, Corner]
    label: tuple[str, int] = ("none", 0)


class Picture(BaseModel):
    box: Box
    sizes: list[tuple[int, float]] = []


def test_a_tuple_of_one_type_is_a_list_of_so_many():
    def crop(box: tuple[int, int, int, int]) -> str:
        return repr(box)

    assert sent_for(crop)["properties"]["box"] == {
        "type": "array",
        "items": {"type": "integer"},
        "minItems": 4,
        "maxItems": 4,
    }
    assert called(crop, box=[1, 2, 3, 4]) == "(1, 2, 3, 4)"


def test_a_tuple_of_several_types_says_their_order():
    def scale(by: tuple[float, str] | None = None) -> str:
        """Scale it.

        Args:
            by: Factor and unit.
        """
        return repr(by)

    found = sent_for(scale)["properties"]["by"]
    assert found["anyOf"][0] == {
        "type": "array",
        "items": {"anyOf": [{"type": "number"}, {"type": "string"}]},
        "minItems": 2,
        "maxItems": 2,
        "description": "In this order: number, string.",
    }
    assert found["description"] == "Factor and unit."
    assert called(scale, by=[1.5, "cm"]) == "(1.5, 'cm')"


def test_tuples_in_dataclasses_and_models_arrive_as_such():
    def draw(picture: Picture) -> str:
        return repr((picture.box.corners, picture.box.label, picture.sizes))

    found = sent_for(draw)
    assert {"Picture", "Box", "Corner"} <= found["$defs"].keys()
    picture = {"box": {"corners": [[1, 2], [3, 4]], "label": ["a", 1]}, "sizes": [[1, 2.5]]}
    corners = (Corner(1, 2), Corner(3, 4))
    assert called(draw, picture=picture) == repr((corners, ("a", 1), [(1, 2.5)]))


@pytest.mark.parametrize("annotation", [tuple, tuple[()], tuple[int, ...], list, set, frozenset])
def test_every_array_has_items(annotation: Any):
    def keep(values):
        return values

    keep.__annotations__ = {"values": annotation}
    assert isinstance(sent_for(keep)["properties"]["values"]["items"], dict)


# ---- defaults --------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("default", "sent"),
    [
        (math.nan, "left out"),
        (math.inf, "left out"),
        pytest.param(10**400, "left out", id="huge"),
        (2**64 - 1, 2**64 - 1),
        (object(), "left out"),
        ({"b", "a", "c"}, ["a", "b", "c"]),
        (Decimal("1.50"), "1.50"),
        (date(2026, 1, 2), "2026-01-02"),
        (Colour.RED, "red"),
        (None, None),
    ],
)
def test_a_default_is_sent_as_json_or_left_out(default: object, sent: object):
    def keep(value: Any = default):
        return value

    assert sent_for(keep)["properties"]["value"].get("default", "left out") == sent
    assert called(keep) in (default, "")
    schema = {"type": "object", "properties": {"value": {"default": default}}}
    assert parameters_of(schema)["properties"]["value"].get("default", "left out") == sent


# ---- schemas of tools without a function -----------------------------------------------------

EMPTY = {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {},
        {"type": "object"},
        {"properties": {}},
        {"type": "object", "properties": None},
        {"type": ["object", "null"], "properties": {}},
        {"type": None, "properties": None, "required": None, "description": None},
    ],
)
def test_an_object_without_properties_is_completed(schema: Any):
    assert parameters_of(schema) == EMPTY


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"type": ["array", "null"]}, {"type": ["array", "null"], "items": {}}),
        ({"type": "array", "items": True}, {"type": "array", "items": {}}),
        ({"type": "array", "items": None}, {"type": "array", "items": {}}),
        (
            {"items": [{"type": "string"}, {"type": "string"}], "additionalItems": False},
            {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        ),
        (
            {"prefixItems": [{"type": "string"}], "items": {"type": "integer"}, "minItems": 1},
            {
                "type": "array",
                "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                "minItems": 1,
                "description": "In this order: string.",
            },
        ),
        (True, {}),
        (False, {"not": {}}),
        ({"const": "a"}, {"enum": ["a"]}),
        ({"const": None}, {"enum": [None]}),
        ({"enum": ("a", "b", "a")}, {"enum": ["a", "b"]}),
        ({"enum": {"b", "a"}}, {"enum": ["a", "b"]}),
        ({"enum": [Colour.RED]}, {"enum": ["red"]}),
        ({"minimum": -math.inf, "maximum": 3}, {"maximum": 3}),
        ({"type": "object", "properties": None}, {"type": "object", "properties": {}}),
        ({"type": "object", "required": ("a", "a")}, {"type": "object", "required": ["a"]}),
        (
            {"type": "object", "additionalProperties": False},
            {"type": "object", "additionalProperties": False},
        ),
        (
            {"anyOf": [{"type": "array"}, {"type": "null"}]},
            {"anyOf": [{"type": "array", "items": {}}, {"type": "null"}]},
        ),
    ],
)
def test_what_can_be_said_in_other_words_is_mended_anywhere(given: Any, sent: Any):
    deep = {
        "type": "object",
        "properties": {"p": given, "q": {"type": "array", "items": given}},
        "$defs": {"D": given},
    }
    assert parameters_of(deep) == {
        "type": "object",
        "properties": {"p": sent, "q": {"type": "array", "items": sent}},
        "$defs": {"D": sent},
    }


def test_properties_may_have_the_names_of_keywords():
    names = ("properties", "prefixItems", "const", "default", "enum", "items", "required", "type")
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    assert parameters_of(schema) == schema


def test_a_reference_at_the_top_is_resolved():
    inner = {"type": "object", "properties": {"n": {"type": "integer"}}}
    schema = {"$ref": "#/$defs/A~1b", "$defs": {"A/b": inner}}
    assert parameters_of(schema) == {**inner, "$defs": {"A/b": inner}}


def test_a_reference_at_the_top_to_another_one_is_resolved():
    inner = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    named = {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/C", "title": "B"}, "C": inner}
    schema = {"$ref": "#/$defs/A", "$defs": named, "description": "Of n"}
    sent = parameters_of(schema)
    assert sent == {**inner, "title": "B", "$defs": named, "description": "Of n"}


def test_a_type_that_contains_itself_is_kept():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    schema = {
        "type": "object",
        "properties": {"n": {"$ref": "#/$defs/Node"}},
        "$defs": {"Node": node},
    }
    assert parameters_of(schema) == schema


CYCLE: dict[str, Any] = {"type": "object", "properties": {}}
CYCLE["properties"]["again"] = CYCLE


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "string"}, "'type' must be 'object'"),
        (True, "must be a JSON schema"),
        ([1], "must be a JSON schema"),
        ({"anyOf": [{"type": "object"}]}, "'anyOf' at the top"),
        ({"type": "object", "properties": []}, "at properties"),
        ({"type": "object", "properties": {1: {}}}, "key must be a str, not int"),
        ({1: 2}, "key must be a str, not int"),
        ({"properties": {"a": {"$ref": "#/$defs/Gone"}}}, "'#/\\$defs/Gone' refers to nothing"),
        (
            {
                "$ref": "#/$defs/A",
                "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}},
            },
            "'#/\\$defs/A' refers to itself",
        ),
        ({"properties": {"a": {"$ref": "other.json"}}}, "at properties.a.\\$ref"),
        ({"properties": {"a": "str"}}, "at properties.a"),
        ({"properties": {"a": {"type": "str"}}}, "at properties.a.type"),
        ({"properties": {"a": {"enum": []}}}, "at properties.a.enum"),
        ({"properties": {"a": {"enum": [math.nan]}}}, "at properties.a.enum"),
        ({"properties": {"a": {"const": object()}}}, "at properties.a.const"),
        ({"properties": {"a": {"required": True}}}, "at properties.a.required"),
        ({"properties": {"a": {"description": 5}}}, "at properties.a.description"),
        ({"properties": {"a": {"title": "\ud83d"}}}, "at properties.a.title"),
        ({"properties": {"\ud83d": {}}}, "at properties"),
        (CYCLE, "contains itself"),
    ],
)
def test_what_no_words_can_mend_is_refused_by_name(schema: Any, says: str):
    with pytest.raises(BadTool, match=f"'ping'.*{says}"):
        parameters_of(schema)


@pytest.mark.parametrize("name", ["", "a b", "a.b", "x" * 65, None, 5, "ping\n"])
def test_a_name_that_does_not_fit_is_refused_in_both_forms(name: Any):
    for given in (
        {"type": "function", "function": {"name": name}},
        {"type": "function", "name": name},
    ):
        with pytest.raises(BadTool, match="name"):
            external_spec(given)


def test_a_description_with_half_a_surrogate_pair_is_refused():
    with pytest.raises(BadTool, match="Unicode"):
        external_spec({"type": "function", "name": "ping", "description": "\ud83d"})
    with pytest.raises(BadTool, match="Unicode"):
        as_tool(tool(lambda: 1, name="ping", description="\ud83d"))


# ---- digests ---------------------------------------------------------------------------------


def test_the_digest_is_that_of_the_schema_before_it_was_mended():
    def crop(box: tuple[int, str], kind: Literal["a"] = "a") -> str:
        return repr((box, kind))

    made = as_tool(crop)
    unmended = {
        "type": "object",
        "properties": {
            "box": {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
            },
            "kind": {"type": "string", "const": "a", "default": "a"},
        },
        "required": ["box"],
        "additionalProperties": False,
    }
    assert made.spec.digest == schema_digest("crop", unmended)
    assert made.spec.parameters["properties"]["kind"] == {
        "type": "string",
        "enum": ["a"],
        "default": "a",
    }


# ---- several tools ---------------------------------------------------------------------------


def now() -> str:
    """The time."""
    return "12:00"


class Shop:
    def refund(self) -> str:
        return "done"


SHOP = Shop()
SCHEMA = {"type": "function", "function": {"name": "ping", "parameters": EMPTY}}
FLAT = {"type": "function", "name": "ping"}


@pytest.mark.parametrize(
    "tools",
    [
        [now, now],
        [now, as_tool(now)],
        [tool(now), now],
        [as_tool(now).spec, now],
        [SHOP.refund, SHOP.refund],
        [SCHEMA, dict(SCHEMA)],
        [SCHEMA, FLAT],
    ],
)
def test_a_tool_that_is_given_twice_is_one(tools: list[Any]):
    assert len(specs(tools)) == 1


def test_the_options_of_one_that_is_given_twice_apply():
    careful = tool(now, needs_approval=True)
    for tools in ([now, careful], [careful, now], [careful.spec, now], [now, careful, careful]):
        [spec] = specs(tools)
        assert spec.needs_approval


@pytest.mark.parametrize(
    ("tools", "says"),
    [
        ([now, tool(Shop().refund, name="now")], "Two tools are called 'now'"),
        ([SHOP.refund, Shop().refund], "Two tools are called 'refund'"),
        ([tool(now, name="ping"), SCHEMA], "Two tools are called 'ping'"),
        ([tool(now, timeout=1), tool(now, timeout=2)], "'now' is given twice"),
    ],
)
def test_two_tools_of_one_name_are_refused(tools: list[Any], says: str):
    with pytest.raises(BadTool, match=says):
        specs(tools)


def test_more_tools_than_a_request_can_have_are_refused():
    def made(number: int) -> dict[str, Any]:
        return {"type": "function", "name": f"t{number}"}

    assert len(specs([made(number) for number in range(128)])) == 128
    with pytest.raises(BadTool, match=r"129 tools.*at most 128"):
        specs([made(number) for number in range(129)])


def test_whether_a_function_is_strict_is_yes_no_or_open() -> None:
    with pytest.raises(BadTool, match="'ping': 'strict' must be true, false or null"):
        external_spec({"type": "function", "name": "ping", "strict": "yes"})
