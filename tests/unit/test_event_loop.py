"""What a worker logs of errors on its event loop that nobody has caught."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.waiting import wait_until

from threadmill_workers.event_loop import EventLoopThread

SECRET = "said-by-a-user"


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EventLoopThread]:
    """A loop of either kind; asyncio's quotes more."""
    if request.param == "asyncio":
        make = "threadmill_workers.event_loop._new_event_loop"
        monkeypatch.setattr(make, asyncio.new_event_loop)
    started = EventLoopThread()
    started.start()
    yield started
    started.stop()


def fail(said: str) -> None:
    raise ValueError(said)


async def fail_alone(said: str) -> None:
    raise ValueError(said)


async def never_end(said: str) -> None:
    await asyncio.get_running_loop().create_future()
    fail(said)


async def call_back() -> None:
    asyncio.get_running_loop().call_soon(fail, SECRET)


async def forget_failed() -> None:
    task = asyncio.create_task(fail_alone(SECRET), name=SECRET)
    await asyncio.wait([task])
    del task
    gc.collect()


async def forget_pending() -> None:
    task = asyncio.create_task(never_end(SECRET), name=SECRET)
    await asyncio.sleep(0)
    del task
    gc.collect()


async def report() -> None:
    asyncio.get_running_loop().call_exception_handler({"message": f"a library: {SECRET}"})


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (call_back, "Exception in callback (ValueError)"),
        (forget_failed, "Task exception was never retrieved (ValueError in fail_alone)"),
        (forget_pending, "Task was destroyed but it is pending (never_end)"),
        (report, "something unusual (no error)"),
    ],
)
def test_it_is_told_what_has_happened_and_where_but_not_what_was_said(
    act: Callable[[], Any], told: str, loop: EventLoopThread, caplog: pytest.LogCaptureFixture
) -> None:
    loop.call(act())
    wait_until(lambda: "on the event loop" in caplog.text, "it is logged")
    assert caplog.messages == [f"on the event loop: {told}"]
    assert SECRET not in str([vars(record) for record in caplog.records])
