"""Every test that reads events out of order fails, whatever it looks at itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.followed_runs import FollowedRuns
from tests.support.store.scene import Scene

from threadmill_shared.events import public
from threadmill_shared.events.decoder import Event
from threadmill_shared.events.follow import LogFollower

EVENTS = [Event(1, "done", "[DONE]")]


class Item:
    """A test, with marks."""

    def __init__(self, *marks: str) -> None:
        self._marks = marks

    def get_closest_marker(self, name: str) -> bool:
        return name in self._marks


async def follow(*_: Any):
    yield EVENTS


async def read(*_: Any):
    return EVENTS


def read_in_a_test(how: str, *marks: str) -> None:
    plugin: Any = FollowedRuns()
    call = plugin.pytest_runtest_call(Item(*marks))
    next(call)

    async def run() -> None:
        if how == "follow":
            async for _ in plugin.checked_follow(follow)(None, "run_1", 0):
                pass
        else:
            await plugin.checked_read(read)(None, "run_1")

    asyncio.run(run())
    next(call, None)


@pytest.mark.parametrize("how", ["follow", "read"])
def test_a_test_that_reads_events_out_of_order_fails(how: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"run_1, event 1, done: comes without a final"):
        read_in_a_test(how)
    read_in_a_test(how, "made_up_log")


def test_all_that_tests_read_is_checked() -> None:
    assert "FollowedRuns" in LogFollower.follow.__code__.co_qualname
    assert "FollowedRuns" in Scene.events.__code__.co_qualname


def test_a_test_whose_events_would_show_browsers_what_is_private_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(public._FORMS, "done", lambda _: {"instructions": "Be kind."})
    with pytest.raises(pytest.fail.Exception, match="not for browsers:\ndone has the field /instr"):
        read_in_a_test("read", "made_up_log")
