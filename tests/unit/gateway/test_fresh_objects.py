"""Which of the objects that a gateway has created a short while ago are in use."""

from __future__ import annotations

from threadmill_gateway import fresh_objects
from threadmill_gateway.fresh_objects import FreshObjects


def test_an_object_is_fresh_until_it_is_named() -> None:
    fresh = FreshObjects()
    fresh.add("thread_1", "mark", "run_1")
    assert fresh.take("thread_2") is None
    assert fresh.take("thread_1") == ("mark", "run_1")
    assert fresh.take("thread_1") is None


def test_the_oldest_are_forgotten() -> None:
    fresh = FreshObjects()
    for number in range(fresh_objects.MOST + 1):
        fresh.add(str(number), "mark", "id")
    assert fresh.take("0") is None
    assert fresh.take("1") is not None
