"""Whatever can be called can be a tool."""

import asyncio
import copy
import functools
import inspect

import pytest
from tests.support.tool_functions import called, lambda_like, refusal

from threadmill_shared.errors import BadTool
from threadmill_shared.tools import (
    as_tool,
    tool,
)


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
