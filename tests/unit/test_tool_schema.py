"""The schema that a function gives the model, and what cannot be a tool."""

import functools
import threading
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from tests.support.tool_functions import Order, called

from threadmill_shared.errors import BadTool
from threadmill_shared.tools import (
    as_tool,
    tool,
)

# ---- the schema ------------------------------------------------------------------------------


def test_name_docstring_and_annotations_make_what_the_model_sees():
    def roll_dice(n: int, sides: Literal[6, 20] = 6) -> list[int]:
        """Roll some dice."""
        return [n, sides]

    spec = as_tool(roll_dice).spec
    assert spec.name == "roll_dice"
    assert spec.description == "Roll some dice."
    assert spec.parameters == {
        "type": "object",
        "properties": {
            "n": {"type": "integer"},
            "sides": {"type": "integer", "enum": [6, 20], "default": 6},
        },
        "required": ["n"],
        "additionalProperties": False,
    }


def test_a_function_without_arguments_has_an_object_schema_all_the_same():
    def cry() -> str:
        return "waah"

    parameters = as_tool(cry).spec.parameters
    assert parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert called(cry) == "waah"


def test_an_argument_without_annotation_takes_any_json():
    def keep(what):
        return what

    assert as_tool(keep).spec.parameters["properties"] == {"what": {}}
    assert called(keep, what=[1, {"a": None}]) == [1, {"a": None}]


def test_args_sections_become_the_arguments_descriptions():
    def refund(order: int, reason: Annotated[str, Field(description="Own words.")], note: str = ""):
        """Pay an order back.

        Args:
            order: Number of the order,
                without the prefix.
            reason (str): Why.
            note: For the accountant: optional.

        Returns:
            nothing.
        """

    spec = as_tool(refund).spec
    described = {name: p["description"] for name, p in spec.parameters["properties"].items()}
    assert described == {
        "order": "Number of the order, without the prefix.",
        "reason": "Own words.",
        "note": "For the accountant: optional.",
    }
    assert spec.description == "Pay an order back.\n\nReturns:\n    nothing."


@pytest.mark.parametrize(
    "section", ["Args:\n    other: No argument of it.", "Args:\n    just words", "Args:"]
)
def test_an_args_section_that_does_not_fit_stays_in_the_description(section):
    def refund(order: int): ...

    refund.__doc__ = f"Pay back.\n\n{section}"
    assert as_tool(refund).spec.description == f"Pay back.\n\n{section}"


def test_a_default_that_json_lacks_is_left_out_of_the_schema_and_used():
    marker = object()

    def keep(what: Any = marker):
        return what

    assert as_tool(keep).spec.parameters["properties"] == {"what": {}}
    assert called(keep) is marker


@tool
def refund_later(order: "LaterOrder") -> "Nowhere":  # noqa: F821 - known to type checkers only
    return order


class LaterOrder(BaseModel):
    number: int


def test_types_in_quotes_may_be_defined_below_the_tool():
    assert called(refund_later, order={"number": "7"}) == LaterOrder(number=7)


def test_types_in_quotes_may_be_local_to_the_function_that_makes_the_tool():
    class Local(BaseModel):
        number: int

    @tool
    def refund(order: "Local"):
        return order

    assert called(refund, order={"number": 7}) == Local(number=7)


# ---- what cannot be a tool -------------------------------------------------------------------


def bad_star(*numbers: int): ...
def bad_stars(**numbers: int): ...
def bad_type(a: int, lock: threading.Lock): ...
def bad_schema(a: int, then: "functools.partial[int]"): ...
def bad_name(a: int, what: "Nowhere"): ...  # noqa: F821
def generator():
    yield 1


async def async_generator():
    yield 1


@pytest.mark.parametrize(
    ("obj", "word"),
    [
        (bad_star, r"\*numbers"),
        (bad_stars, r"\*\*numbers"),
        (bad_type, "'lock'"),
        (bad_schema, "'then'"),
        (bad_name, "'what'.*Nowhere"),
        (generator, "return a list"),
        (async_generator, "return a list"),
        (lambda a: a, "tool\\(lambda"),
        ("refund", "pass the function"),
        ({"type": "function"}, "pass the function"),
        (Order, "pass the function"),
        (None, "pass the function"),
    ],
)
def test_what_no_model_could_call_is_refused_with_advice(obj, word):
    with pytest.raises(BadTool, match=word):
        as_tool(obj)


@pytest.mark.parametrize("name", ["", "roll dice", "würfeln", "a" * 65, "roll\n", "a.b"])
def test_names_that_providers_refuse_are_refused(name):
    def roll(): ...

    with pytest.raises(BadTool, match="1 to 64 letters"):
        tool(roll, name=name)


def test_options_without_meaning_are_refused():
    def roll(): ...

    with pytest.raises(BadTool, match="seconds above 0"):
        tool(roll, timeout=0)
    with pytest.raises(BadTool, match="'report', 'retry', 'fail'"):
        tool(roll, on_interrupt="again")
    with pytest.raises(BadTool, match="already"):
        tool(tool(roll), name="other")
    with pytest.raises(BadTool, match="above @tool"):
        tool(classmethod(roll))
