import asyncio
import copy
import functools
import inspect
import json
import threading
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, field_validator

from threadmill_shared.errors import BadTool, CallerError, ToolArgumentsInvalid, ToolError
from threadmill_shared.tools import (
    ENDRUN_TOKEN,
    CallContext,
    EndRun,
    NoCurrentCall,
    Tool,
    as_tool,
    calling,
    current_call,
    render_output,
    tool,
)

CONTEXT = CallContext(
    run_id="run_00a", thread_id="thread_00a", call_id="call_1", attempt=1, idempotency_key="k"
)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Line(BaseModel):
    article: str
    count: int = 1


class Order(BaseModel):
    number: int
    lines: list[Line] = []


@dataclass
class Point:
    x: float
    y: float


def called(function: Any, **arguments: Any) -> Any:
    """What the function gives for these arguments, after their way through JSON."""
    made = as_tool(function)
    bound = made.bind(json.dumps(arguments))
    return made.function(*bound.args, **bound.kwargs)


def refusal(function: Any, arguments: str) -> str:
    with pytest.raises(ToolArgumentsInvalid) as caught:
        as_tool(function).bind(arguments)
    return str(caught.value)


# ---- the schema -----------------------------------------------------------------------------


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


# ---- what cannot be a tool --------------------------------------------------------------------


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


# ---- arguments ---------------------------------------------------------------------------------


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


def lambda_like(a: int = 3):
    return a


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


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ('{"order": ', "Invalid JSON"),
        ("[1]", "one JSON object"),
        ("3", "one JSON object"),
        ('"x"', "one JSON object"),
        ('{"reason": "\ud800"}', "unicode"),
        ("[" * 5000, "Invalid JSON"),
    ],
)
def test_arguments_that_are_no_json_object_are_refused(arguments, word):
    assert word in refusal(refund_reason, arguments)


def refund_reason(reason: str): ...


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


# ---- kinds of callables ----------------------------------------------------------------------


class Shop:
    """A shop."""

    def __init__(self, factor: int = 10) -> None:
        self.factor = factor

    def refund(self, order: int) -> int:
        """Pay back."""
        return order * self.factor

    @tool(timeout=3)
    def charge(self, order: int) -> int:
        """Take money."""
        return order * self.factor

    @tool
    async def charge_later(self, order: int) -> int:
        return order * self.factor

    @staticmethod
    @tool
    def price(article: str) -> str:
        return article

    @tool
    @staticmethod
    def tax(article: str) -> str:
        return article

    @classmethod
    @tool
    def open(cls, where: str) -> tuple:
        return (cls, where)

    @classmethod
    def close(cls, where: str) -> tuple:
        return (cls, where)


class Roller:
    """Rolls."""

    def __call__(self, n: int) -> int:
        return n


class AsyncRoller:
    __name__ = "roll_later"

    async def __call__(self, n: int) -> int:
        """Roll later."""
        return n


def test_the_decorated_function_is_still_called_like_the_function():
    @tool(name="dice", timeout=5, on_interrupt="retry", needs_approval=True)
    def roll(n, *, sides=6):
        """Roll."""
        return [n, sides]

    assert roll("x", sides=2) == ["x", 2]
    assert (roll.__name__, roll.__doc__) == ("roll", "Roll.")
    assert list(inspect.signature(roll).parameters) == ["n", "sides"]
    assert copy.deepcopy([roll]) == [roll]
    spec = as_tool(roll).spec
    assert (spec.name, spec.timeout, spec.on_interrupt) == ("dice", 5, "retry")
    assert spec.needs_approval


def test_the_tool_has_what_else_the_function_has():
    @tool
    @functools.cache
    def roll(n: int):
        return n

    assert roll(1) == 1
    assert roll.cache_info().misses == 1
    with pytest.raises(AttributeError):
        _ = roll.nothing


def test_the_functions_own_attributes_do_not_mix_with_the_tools():
    def roll(n: int): ...

    roll.is_async, roll.colour = "no", "red"
    made = as_tool(roll)
    assert made.is_async is False
    assert made.colour == "red"


def test_options_of_one_tool_are_not_another_ones():
    def roll(n: int): ...

    careful = tool(roll, needs_approval=True)
    assert careful.spec.needs_approval
    assert not as_tool(roll).spec.needs_approval


def test_async_functions_are_told_from_sync_ones():
    async def later(n: int):
        return n

    assert as_tool(later).is_async
    assert as_tool(functools.partial(later, n=3)).is_async
    assert as_tool(AsyncRoller()).is_async
    assert not as_tool(Roller()).is_async
    assert asyncio.run(tool(later)(3)) == 3


def test_methods_of_an_instance_are_tools_without_their_self():
    for method in (Shop().refund, Shop().charge):
        assert list(as_tool(method).spec.parameters["properties"]) == ["order"]
        assert called(method, order="4") == 40
    assert as_tool(Shop().charge).spec.timeout == 3
    assert Shop(2).charge(4) == 8
    assert Shop.charge(Shop(2), 4) == 8
    assert as_tool(Shop().charge_later).is_async


@pytest.mark.parametrize("unbound", [Shop.refund, Shop.charge])
def test_a_method_without_its_object_is_refused_with_advice(unbound):
    with pytest.raises(BadTool, match="an unbound method"):
        as_tool(unbound)


def test_static_and_class_methods_are_tools():
    for function in (Shop.price, Shop().price, Shop.tax, Shop().tax):
        assert called(function, article="pen") == "pen"
        assert function("pen") == "pen"
    for function in (Shop.open, Shop().open, Shop.close):
        assert called(function, where="here") == (Shop, "here")
        assert function("here") == (Shop, "here")


def test_a_partial_hides_what_it_has_set():
    def search(index: str, query: str, *, user: int, limit: int = 5):
        """Search."""
        return (index, query, user, limit)

    mine = functools.partial(functools.partial(search, "books"), user=7)
    spec = as_tool(mine).spec
    assert (spec.name, spec.description) == ("search", "Search.")
    assert list(spec.parameters["properties"]) == ["query", "limit"]
    assert called(mine, query="x") == ("books", "x", 7, 5)
    assert "no such argument" in refusal(mine, '{"query": "x", "user": 8}')


def test_callable_objects_are_named_after_themselves_or_their_class():
    assert as_tool(Roller()).spec.name == "Roller"
    assert as_tool(Roller()).spec.description == "Rolls."
    assert as_tool(AsyncRoller()).spec.name == "roll_later"
    assert as_tool(AsyncRoller()).spec.description == "Roll later."
    assert called(Roller(), n="3") == 3


def test_a_lambda_is_a_tool_when_it_has_a_name():
    double = tool(lambda n: n * 2, name="double", description="Twice.")
    assert as_tool(double).spec.description == "Twice."
    assert called(double, n=4) == 8


def test_a_wrapped_function_is_its_own_tool():
    def roll(n: int):
        return "inner"

    as_tool(roll)

    @functools.wraps(roll)
    def outer(*args, **kwargs):
        return "outer"

    assert called(outer, n=1) == "outer"
    assert called(roll, n=1) == "inner"


def test_the_tool_of_a_function_is_made_once():
    assert as_tool(lambda_like) is as_tool(lambda_like)


# ---- outputs ---------------------------------------------------------------------------------


class Mood(str, Enum):  # noqa: UP042 - the older way, whose str() is its name
    GOOD = "good"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        ("", ""),
        (None, ""),
        (Mood.GOOD, "good"),
        ([1, 2], "[1,2]"),
        ({"a": None}, '{"a":null}'),
        (True, "true"),
        (float("nan"), "null"),
        (Line(article="pen"), '{"article":"pen","count":1}'),
        (Point(1.0, 2.0), '{"x":1.0,"y":2.0}'),
        ([Line(article="ü")], '[{"article":"ü","count":1}]'),
        (date(2026, 1, 2), '"2026-01-02"'),
        ("half \ud83d pair", "half ? pair"),
    ],
)
def test_outputs_are_text_as_it_is_and_json_otherwise(value, text):
    assert render_output(value) == text


def test_an_output_that_json_lacks_is_a_tool_error_with_advice():
    with pytest.raises(ToolError, match=r"object.*cannot be written as JSON.*Use a str"):
        render_output([object()][0])
    circle: list = []
    circle.append(circle)
    with pytest.raises(ToolError, match="ircular"):
        render_output(circle)


def test_end_run_carries_data_as_json():
    assert EndRun().data is None
    assert EndRun(data={"a": Line(article="pen")}).json_data() == {
        "a": {"article": "pen", "count": 1}
    }
    with pytest.raises(ToolError, match=r"EndRun\(data=...\)"):
        EndRun(data=object()).json_data()
    assert len(ENDRUN_TOKEN) > 20


# ---- the current call ------------------------------------------------------------------------


def test_the_current_call_is_known_inside_only():
    with calling(CONTEXT):
        assert current_call() is CONTEXT
    with pytest.raises(NoCurrentCall, match="inside a tool") as caught:
        current_call()
    assert isinstance(caught.value, CallerError)
    assert isinstance(caught.value, LookupError)


def test_each_asyncio_task_has_its_own_current_call():
    async def inside(number):
        context = CallContext(
            run_id="r", thread_id="t", call_id=str(number), attempt=1, idempotency_key="k"
        )
        with calling(context):
            await asyncio.sleep(0)
            return current_call().call_id

    async def main():
        return await asyncio.gather(*(inside(number) for number in range(5)))

    assert asyncio.run(main()) == ["0", "1", "2", "3", "4"]


def test_tools_are_tools():
    assert isinstance(as_tool(lambda_like), Tool)
    assert as_tool(as_tool(lambda_like)) is as_tool(lambda_like)
