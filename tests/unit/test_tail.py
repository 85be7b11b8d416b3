"""Who reads a run's events is not held up while Redis is away."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from threadmill_shared import errors
from threadmill_shared.events import follow
from threadmill_shared.events.cursor import Cursor
from threadmill_shared.events.follow import LogFollower
from threadmill_shared.events.shared_log import LogListener, LogPage
from threadmill_shared.events.tail import Tail


class SharedLog:
    """A log of which nothing was written yet."""

    async def page_of(self, _after: int, base: Any, _found: Any) -> LogPage:
        return LogPage(base, [], base, is_full=False, is_rewound=False)


class Runs:
    """The runs of a store that does not answer."""

    async def progress(self, _run_id: str) -> None:
        raise errors.StoreUnavailable("Redis does not answer.")


def test_a_tail_says_that_nothing_has_come_while_redis_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(follow, "IDLE_SECONDS", 0.01)
    store: Any = SimpleNamespace(runs=Runs())
    log: Any = SharedLog()
    record: Any = SimpleNamespace(id="run_1", events=0)
    notifications: Any = None
    follower = LogFollower(store, notifications)

    async def read() -> list[Any] | None:
        tail = Tail(
            store,
            Cursor(log, record, 0),
            LogListener(),
            patiently=follower._read_unless_away,
            on_close=lambda: asyncio.sleep(0),
            page=[],
        )
        async with asyncio.timeout(5):
            return await tail.next()

    assert asyncio.run(read()) == []
