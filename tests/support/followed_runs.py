"""Checks the order and the public forms of all events that a test reads, with nothing to do for it.

Whoever reads events in this process gets them from `LogFollower.follow`: handles, handlers and
printing; and tests of the store from `Scene.events`. So they are checked there, and no test can
forget it.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator

import pytest
from tests.support.event_order import EventOrder
from tests.support.public_parts import private_parts
from tests.support.store.scene import Scene

from threadmill_shared.events.decoder import Event
from threadmill_shared.events.follow import LogFollower

MADE_UP_LOG = "made_up_log"
"""A mark: the test writes events that no worker writes, so that their order says nothing."""

Follow = Callable[..., AsyncGenerator[list[Event], None]]
Read = Callable[[Scene, str, int], Awaitable[list[Event]]]


class FollowedRuns:
    """A plugin of pytest: a test fails if the events that it has read are not in order."""

    def __init__(self) -> None:
        self.found: list[str] = []
        """What is wrong with the events that the test has read."""
        self.private: list[str] = []
        """What their public forms have and must not have."""
        self._follow, self._read = LogFollower.follow, Scene.events

    def pytest_sessionstart(self) -> None:
        LogFollower.follow = self.checked_follow(self._follow)  # type: ignore[method-assign]
        Scene.events = self.checked_read(self._read)  # type: ignore[method-assign]

    def pytest_sessionfinish(self) -> None:
        LogFollower.follow = self._follow  # type: ignore[method-assign]
        Scene.events = self._read  # type: ignore[method-assign]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        self.found.clear()
        self.private.clear()
        yield
        if self.found and not item.get_closest_marker(MADE_UP_LOG):
            pytest.fail("events out of order:\n" + "\n".join(self.found), pytrace=False)
        if self.private:
            pytest.fail("not for browsers:\n" + "\n".join(self.private), pytrace=False)

    def checked_follow(self, follow: Follow) -> Follow:
        """The same, with what is wrong noted."""

        @functools.wraps(follow)
        async def checked(
            follower: LogFollower, run_id: str, after: int = 0, **options: bool
        ) -> AsyncGenerator[list[Event], None]:
            order, groups = EventOrder(after), follow(follower, run_id, after, **options)
            try:
                async for group in groups:
                    self._check(order, run_id, group)
                    yield group
            finally:
                await groups.aclose()

        return checked

    def checked_read(self, read: Read) -> Read:
        """The same, with what is wrong noted."""

        @functools.wraps(read)
        async def checked(scene: Scene, run_id: str, after: int = 0) -> list[Event]:
            events = await read(scene, run_id, after)
            self._check(EventOrder(after), run_id, events)
            return events

        return checked

    def _check(self, order: EventOrder, run_id: str, events: Iterable[Event]) -> None:
        for event in events:
            self.found += [f"{run_id}, {found}" for found in order.take(event)]
            self.private += [f"{event.event} {found}" for found in private_parts(event)]
