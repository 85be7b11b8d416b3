"""Work on the bridge ends as its caller sees it, as with `asyncio.run_coroutine_threadsafe`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import random
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any

import pytest
from tests.support.waiting import wait_until

from threadmill.client.bridge import Bridge, BridgeClosed

Start = Callable[[Coroutine[Any, Any, Any]], "Future[Any]"]


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    bridge = Bridge("test-bridge")
    yield bridge
    bridge.close()


@pytest.fixture(params=["ours", "asyncio's"])
def start(request: pytest.FixtureRequest, bridge: Bridge) -> Start:
    """Starts work on the bridge's loop; the second one is the plain version."""
    if request.param == "ours":
        return lambda work: bridge.call(work).future
    return lambda work: asyncio.run_coroutine_threadsafe(work, bridge.loop)


async def double(value: int) -> int:
    await asyncio.sleep(0)
    return 2 * value


async def fail() -> None:
    raise KeyError("no")


async def give_up() -> None:
    raise asyncio.CancelledError


def test_a_result_and_an_error_reach_the_caller(start: Start) -> None:
    assert start(double(2)).result(5) == 4
    with pytest.raises(KeyError):
        start(fail()).result(5)
    with pytest.raises(concurrent.futures.CancelledError):
        start(give_up()).result(5)


def test_work_sees_the_callers_context(start: Start) -> None:
    variable: ContextVar[str] = ContextVar("variable")
    variable.set("caller's")

    async def look() -> str:
        return variable.get()

    assert start(look()).result(5) == "caller's"


def test_a_caller_who_gives_up_ends_the_work(start: Start) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    future = start(wait())
    assert begun.wait(5)
    assert future.cancel()
    assert ended.wait(5)


def test_work_that_was_given_up_before_it_began_is_closed_and_not_executed(
    bridge: Bridge,
) -> None:
    stop, executed = threading.Event(), threading.Event()
    bridge.loop.call_soon_threadsafe(stop.wait)

    async def execute() -> None:
        executed.set()

    work = execute()
    future = bridge.call(work).future
    assert future.cancel()
    stop.set()
    wait_until(lambda: inspect.getcoroutinestate(work) == inspect.CORO_CLOSED, "it is closed")
    assert bridge.call(double(1)).future.result(5) == 2
    assert not executed.is_set()


@pytest.mark.parametrize("seed", range(10))
def test_callers_who_give_up_at_any_moment_leave_nothing_behind(start: Start, seed: int) -> None:
    dice, inside = random.Random(seed), 0

    async def work(turns: int, *, fails: bool) -> int:
        nonlocal inside
        inside += 1
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
            if fails:
                raise KeyError(turns)
            return turns
        finally:
            inside -= 1

    futures = []
    for _ in range(200):
        turns, fails = dice.randint(0, 20), dice.random() < 0.3
        futures.append((turns, fails, start(work(turns, fails=fails))))
        if dice.random() < 0.5:
            time.sleep(dice.random() / 5000)
            futures[-1][2].cancel()
    for turns, fails, future in futures:
        if not future.cancelled():
            error = future.exception(5)
            assert isinstance(error, KeyError) if fails else future.result() == turns
    wait_until(lambda: inside == 0, "all work has ended")


def test_work_that_is_under_way_when_the_bridge_is_closed_is_an_error(bridge: Bridge) -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    future = bridge.call(wait()).future
    bridge.close()
    with pytest.raises(BridgeClosed, match="are closed"):
        future.result(5)
    with pytest.raises(BridgeClosed):
        bridge.call(double(1))
