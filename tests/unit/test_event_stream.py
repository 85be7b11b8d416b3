"""A run's events as they come from the bridge: in order, a little ahead, and not after the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from tests.support.waiting import wait_until

from threadmill.client.bridge import Bridge, BridgeClosed
from threadmill.client.operations import drive, drive_async
from threadmill.runs.event_stream import EventStream
from threadmill_shared import errors
from threadmill_shared.events.decoder import Event


class Source:
    """A client whose log has groups of one event each; it waits while `go_on` is not set."""

    def __init__(self, groups: int, error: Exception | None = None) -> None:
        self.bridge = Bridge("test-bridge")
        self.call, self.call_soon = self.bridge.call, self.bridge.call_soon
        self.check_open = self.bridge.check_open
        self.given = 0
        self.is_closed = False
        self.go_on = threading.Event()
        self.go_on.set()
        self._groups, self._error = groups, error

    async def follow(self, run_id: str, after: int) -> AsyncGenerator[list[Event], None]:
        try:
            for number in range(after + 1, self._groups + 1):
                while not self.go_on.is_set():
                    await asyncio.sleep(0.001)
                self.given = number
                yield [Event(number, "e", {"number": number})]
            if self._error is not None:
                raise self._error
        finally:
            self.is_closed = True

    def stream(self) -> EventStream:
        return EventStream(self, "run_1", 0)  # type: ignore[arg-type]  what a stream needs of one


@pytest.fixture
def sources() -> Iterator[list[Source]]:
    made: list[Source] = []
    yield made
    for source in made:
        source.bridge.close()


def numbers(stream: EventStream) -> list[int]:
    found: list[int] = []
    while (events := drive(stream.next())) is not None:
        found += [event.id for event in events]
    return found


async def numbers_async(stream: EventStream, timeout: float | None = None) -> list[int]:
    found: list[int] = []
    while (events := await drive_async(stream.next(timeout))) is not None:
        found += [event.id for event in events]
    return found


def test_a_thread_gets_all_groups_in_order(sources: list[Source]) -> None:
    sources.append(source := Source(500))
    assert numbers(source.stream()) == list(range(1, 501))
    assert source.is_closed


@pytest.mark.parametrize("timeout", [None, 10])
async def test_a_loop_gets_all_groups_in_order(sources: list[Source], timeout: Any) -> None:
    sources.append(source := Source(500))
    stream = source.stream()
    assert await numbers_async(stream, timeout) == list(range(1, 501))
    assert await drive_async(stream.next()) is None


def test_no_more_is_fetched_than_a_little_ahead(sources: list[Source]) -> None:
    sources.append(source := Source(100))
    stream = source.stream()
    drive(stream.next())
    wait_until(lambda: source.given > 1)
    time.sleep(0.05)
    assert source.given <= 5
    drive(stream.close())
    assert source.is_closed


async def test_a_wait_that_is_given_up_loses_nothing(sources: list[Source]) -> None:
    sources.append(source := Source(3))
    stream = source.stream()
    source.go_on.clear()
    with pytest.raises(TimeoutError):
        await drive_async(stream.next(0.05))
    waiting = asyncio.ensure_future(drive_async(stream.next()))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    source.go_on.set()
    assert await numbers_async(stream) == [1, 2, 3]


async def test_an_error_comes_once_behind_what_came_before(sources: list[Source]) -> None:
    sources.append(source := Source(2, errors.LogRewound("gone back")))
    stream = source.stream()
    assert [await drive_async(stream.next()) is not None for _ in range(2)] == [True, True]
    with pytest.raises(errors.LogRewound):
        await drive_async(stream.next())
    assert await drive_async(stream.next()) is None


def test_a_run_that_is_not_found_is_lost(sources: list[Source]) -> None:
    sources.append(source := Source(0, errors.RunNotFound("no run")))
    with pytest.raises(errors.RunLost, match="no run"):
        drive(source.stream().next())


@pytest.mark.parametrize("timeout", [None, 10])
async def test_who_waits_when_the_bridge_closes_is_told(
    sources: list[Source], timeout: Any
) -> None:
    sources.append(source := Source(1))
    stream = source.stream()
    source.go_on.clear()
    waiting = asyncio.ensure_future(drive_async(stream.next(timeout)))
    await asyncio.sleep(0.05)
    await asyncio.to_thread(source.bridge.close)
    with pytest.raises(BridgeClosed):
        await waiting
    with pytest.raises(BridgeClosed):
        await drive_async(stream.next(timeout))
    await drive_async(stream.close())
