"""What is closed ends, at whatever moment it is closed."""

from __future__ import annotations

import asyncio
import time

import pytest

from threadmill_shared.connections import connect
from threadmill_shared.store import Store
from threadmill_shared.tails import Bells

TURNS = 60
"""Of the event loop, from the first command to its answer and beyond."""


async def wait_turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("turns", range(TURNS))
async def test_a_store_closes_whatever_is_being_sent(redis_url: str, turns: int) -> None:
    store = Store(connect(redis_url), "tm")
    await store.read("PING")
    reading = [asyncio.ensure_future(store.read("PING")) for _ in range(3)]
    await wait_turns(turns)
    begun = time.monotonic()
    await store.close()
    assert time.monotonic() - begun < 1
    for one in reading:
        one.cancel()
    await asyncio.wait(reading)


@pytest.mark.parametrize("turns", range(TURNS))
async def test_bells_close_whatever_they_do(redis_url: str, turns: int) -> None:
    client = connect(redis_url)
    bells = Bells(client)
    async with bells.listen("a"):
        await wait_turns(turns)
    begun = time.monotonic()
    await bells.close()
    assert time.monotonic() - begun < 1
    await client.aclose()
