"""A channel's listener: it waits as long as it should, with one timer for many waits."""

from __future__ import annotations

import asyncio
import time

from threadmill_shared.events.notifications import ChannelListener


async def seconds_of(listener: ChannelListener, limit: float) -> float:
    """How long a wait takes for which nothing comes."""
    begun = time.monotonic()
    assert not await listener.wait_for(limit)
    return time.monotonic() - begun


async def test_each_wait_has_the_time_that_it_was_given() -> None:
    listener = ChannelListener()
    for limit in (0.05, 0.2, 0.01):
        assert await seconds_of(listener, limit) >= limit - 0.002
    listener.close()


async def test_a_shorter_wait_does_not_wait_for_the_timer_of_a_longer_one() -> None:
    listener = ChannelListener()
    listener.notify("1")
    assert await listener.wait_for(60)
    assert await asyncio.wait_for(seconds_of(listener, 0.01), 30) < 30
    listener.close()


async def test_the_timer_of_an_earlier_wait_ends_no_later_one() -> None:
    listener = ChannelListener()
    listener.notify("1")
    assert await listener.wait_for(0.1)
    await asyncio.sleep(0.07)
    assert await seconds_of(listener, 0.1) >= 0.098
    await asyncio.sleep(0.12)
    listener.notify("2")
    assert await listener.wait_for(1)
    assert await seconds_of(listener, 0.05) >= 0.048
    listener.close()


async def test_what_is_not_new_ends_no_wait() -> None:
    listener = ChannelListener()
    listener.notify("1")
    assert not await listener.wait_for(0.02, lambda: False)
    listener.close()


async def test_many_waits_need_one_timer_and_a_closed_listener_none() -> None:
    listener = ChannelListener()
    timers = set()
    for _ in range(100):
        listener.notify("1")
        assert await listener.wait_for(60)
        timers.add(listener._timer)
    [timer] = timers
    assert timer is not None
    listener.close()
    assert timer.cancelled()
