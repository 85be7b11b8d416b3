"""A run's events as they come from the bridge: in order, a little ahead, and not after the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

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


Next = Callable[[EventStream], Awaitable[list[Event] | None]]

WAYS: dict[str, Next] = {
    "operation": lambda stream: drive_async(stream.next()),
    "with a timeout": lambda stream: drive_async(stream.next(10)),
    "awaited": lambda stream: stream.next_awaited(),
}
each_way = pytest.mark.parametrize("next_of", WAYS.values(), ids=WAYS)


async def numbers_async(stream: EventStream, next_of: Next) -> list[int]:
    found: list[int] = []
    while (events := await next_of(stream)) is not None:
        found += [event.id for event in events]
    return found


def test_a_thread_gets_all_groups_in_order(sources: list[Source]) -> None:
    sources.append(source := Source(500))
    assert numbers(source.stream()) == list(range(1, 501))
    assert source.is_closed


@each_way
async def test_a_loop_gets_all_groups_in_order(sources: list[Source], next_of: Next) -> None:
    sources.append(source := Source(500))
    stream = source.stream()
    assert await numbers_async(stream, next_of) == list(range(1, 501))
    assert await next_of(stream) is None


@each_way
async def test_many_on_one_loop_get_all_groups_in_order(
    sources: list[Source], next_of: Next
) -> None:
    sources.append(source := Source(100))
    found = await asyncio.gather(*(numbers_async(source.stream(), next_of) for _ in range(50)))
    assert found == [list(range(1, 101))] * 50


def test_no_more_is_fetched_than_a_little_ahead(sources: list[Source]) -> None:
    sources.append(source := Source(100))
    stream = source.stream()
    drive(stream.next())
    wait_until(lambda: source.given > 1)
    time.sleep(0.05)
    assert source.given <= 5
    drive(stream.close())
    assert source.is_closed


@each_way
async def test_a_wait_that_is_given_up_loses_nothing(sources: list[Source], next_of: Next) -> None:
    sources.append(source := Source(3))
    stream = source.stream()
    source.go_on.clear()
    with pytest.raises(TimeoutError):
        await drive_async(stream.next(0.05))
    waiting = asyncio.ensure_future(next_of(stream))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    source.go_on.set()
    assert await numbers_async(stream, next_of) == [1, 2, 3]


@each_way
async def test_an_error_comes_once_behind_what_came_before(
    sources: list[Source], next_of: Next
) -> None:
    sources.append(source := Source(2, errors.LogRewound("gone back")))
    stream = source.stream()
    assert [await next_of(stream) is not None for _ in range(2)] == [True, True]
    with pytest.raises(errors.LogRewound) as raised:
        await next_of(stream)
    assert not raised.value.__suppress_context__
    assert await next_of(stream) is None


def test_a_run_that_is_not_found_is_lost(sources: list[Source]) -> None:
    sources.append(source := Source(0, errors.RunNotFound("no run")))
    with pytest.raises(errors.RunLost, match="no run"):
        drive(source.stream().next())


@each_way
@pytest.mark.parametrize("begun", [False, True])
async def test_who_waits_when_the_bridge_closes_is_told(
    sources: list[Source], next_of: Next, begun: bool
) -> None:
    sources.append(source := Source(1))
    stream = source.stream()
    source.go_on.clear()
    if begun:
        with pytest.raises(TimeoutError):
            await drive_async(stream.next(0.01))
    waiting = asyncio.ensure_future(next_of(stream))
    await asyncio.sleep(0.05)
    await asyncio.to_thread(source.bridge.close)
    with pytest.raises(BridgeClosed):
        await waiting
    with pytest.raises(BridgeClosed):
        await next_of(stream)
    await drive_async(stream.close())
