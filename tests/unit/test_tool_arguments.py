"""What the model sends becomes the arguments of a function, or is rejected."""

import json
from datetime import UTC, date, datetime
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, field_validator
from tests.support.tool_functions import Colour, Line, Order, Point, called, lambda_like, refusal

from threadmill_shared.tools import (
    as_tool,
)


def test_arguments_are_coerced_to_the_annotated_types():
    def take(
        number: int,
        when: datetime,
        colour: Colour,
        order: Order,
        point: Point,
        maybe: float | None = None,
        days: set[date] = frozenset(),
    ):
        return (number, when, colour, order, point, maybe, days)

    assert called(
        take,
        number="40",
        when="2026-08-26T12:00:00Z",
        colour="blue",
        order={"number": "3", "lines": [{"article": "pen", "count": "2"}]},
        point={"x": 1, "y": "2.5"},
        days=["2026-01-02"],
    ) == (
        40,
        datetime(2026, 8, 26, 12, tzinfo=UTC),
        Colour.BLUE,
        Order(number=3, lines=[Line(article="pen", count=2)]),
        Point(1.0, 2.5),
        None,
        {date(2026, 1, 2)},
    )


@pytest.mark.parametrize("empty", ["", "  ", "{}"])
def test_empty_arguments_are_an_empty_object(empty):
    assert as_tool(lambda_like).bind(empty).arguments == {}


def test_defaults_are_the_functions_own():
    seen = []

    def collect(item: str, into: list = seen):
        into.append(item)

    called(collect, item="a")
    assert seen == ["a"]


def test_field_may_stand_as_default_or_in_annotated():
    def roll(
        n: int = Field(ge=1), sides: int = Field(6, le=20), times: Annotated[int, Field(gt=0)] = 1
    ):
        return (n, sides, times)

    assert called(roll, n=2) == (2, 6, 1)
    assert "greater than or equal to 1" in refusal(roll, '{"n": 0}')
    assert "greater than 0" in refusal(roll, '{"n": 1, "times": 0}')


def test_arguments_may_have_names_that_pydantic_keeps_for_itself():
    def take(model_config: int, _private: int, schema: int, copy: int, self_: int, p0: int):
        return [model_config, _private, schema, copy, self_, p0]

    arguments = {"model_config": 1, "_private": 2, "schema": 3, "copy": 4, "self_": 5, "p0": 6}
    assert called(take, **arguments) == [1, 2, 3, 4, 5, 6]


def test_positional_only_and_keyword_only_arguments_reach_their_places():
    def take(a: int = 1, b: int = 2, /, c: int = 3, *, d: int):
        return (a, b, c, d)

    assert called(take, b="7", d=4) == (1, 7, 3, 4)


def test_a_strict_field_takes_json_as_json_writes_it():
    def take(day: Annotated[date, Field(strict=True)], n: Annotated[int, Field(strict=True)]):
        return (day, n)

    assert called(take, day="2026-01-02", n=1) == (date(2026, 1, 2), 1)
    assert "n:" in refusal(take, '{"day": "2026-01-02", "n": "1"}')


def test_wrong_arguments_are_refused_in_words_a_model_can_act_on():
    def refund(order: Order, reason: str):
        raise AssertionError

    assert refusal(refund, '{"order": {"number": "many", "lines": [{}]}, "why": "x"}') == (
        "The arguments of refund are not valid: "
        "order.number: Input should be a valid integer, unable to parse string as an integer; "
        "order.lines.0.article: is required; "
        "reason: is required; "
        "why: there is no such argument (there are: order, reason)."
    )


MISTAKES = {
    '{"order": ': "Invalid JSON: they are cut off after 9 characters",
    '{"reason": "ab': "Invalid JSON: they are cut off after 14 characters",
    "{": "Invalid JSON: they are cut off after 1 characters",
    "[1]": "they should be one JSON object, not an array",
    "3": "they should be one JSON object, not a number",
    "true": "they should be one JSON object, not true or false",
    "null": "they should be one JSON object, not null",
    '"x"': "they should be one JSON object, not a text",
    '"{\\"reason\\": 1}"': "they should be one JSON object, not a text that contains one",
    "NaN": "NaN and Infinity are not JSON; write a number or null",
    '{"reason": NaN}': "NaN and Infinity are not JSON; write a number or null",
    '{"reason": [{"a": -Infinity}]}': "NaN and Infinity are not JSON; write a number or null",
    '{"reason": 1e999}': "a number in them is too large",
    '{"reason": "x"} {}': "they should be one JSON object and nothing else",
    '{"reason": "x"} thanks': "they should be one JSON object and nothing else",
    "{'reason': 'x'}": "Invalid JSON: key must be a string",
    '{"reason": "x",}': "Invalid JSON: trailing comma",
    '{"reason": None}': "Invalid JSON",
    "reason=x": "Invalid JSON",
    '```json\n{"reason": "x"}\n```': "Invalid JSON",
    '{"reason": "\\ud800"}': "Invalid JSON",
    '{"reason": "\ud800"}': "unicode",
    "[" * 5000: "Invalid JSON",
}


@pytest.mark.parametrize(("arguments", "words"), MISTAKES.items())
def test_arguments_that_are_no_json_object_are_refused_in_words_that_say_why(arguments, words):
    said = refusal(refund_reason, arguments)
    assert said.startswith("The arguments of refund_reason are not valid: ")
    assert words in said


def refund_reason(reason: str): ...


def test_nan_is_no_number_that_a_function_gets():
    def take(number: float): ...

    assert "NaN" in refusal(take, '{"number": NaN}')


def test_a_refusal_is_short_and_without_addresses_or_the_models_own_text():
    class Checked(BaseModel):
        a: int

        @field_validator("a")
        @classmethod
        def fail(cls, value):
            raise ValueError("no " * 1000)

    def take(items: list[Checked]): ...

    text = refusal(take, json.dumps({"items": [{"a": 1}] * 100 + [{"a": "secret"}]}))
    assert len(text) < 1500
    assert "and 96 more" in text
    assert "http" not in text
    assert "secret" not in refusal(take, '{"items": [{"a": "secret"}]}')
