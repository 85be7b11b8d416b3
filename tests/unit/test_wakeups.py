"""Wakeups from another thread: each comes, and many come with one call of the loop."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import weakref
from unittest.mock import patch

import pytest

from threadmill.client.wakeups import settle_soon


async def test_all_that_are_due_are_settled_with_few_calls() -> None:
    loop = asyncio.get_running_loop()
    waiting = [loop.create_future() for _ in range(500)]
    with patch.object(loop, "call_soon_threadsafe", wraps=loop.call_soon_threadsafe) as calls:
        for one in waiting:
            thread = threading.Thread(target=settle_soon, args=(loop, one))
            thread.start()
            thread.join()  # so the loop takes nothing meanwhile
        await asyncio.gather(*waiting)
    assert calls.call_count == 1


async def test_none_is_lost_however_threads_and_loop_take_turns() -> None:
    loop = asyncio.get_running_loop()

    async def tail(seed: int) -> None:
        pauses = random.Random(seed)
        for _ in range(50):
            waiting = loop.create_future()
            threading.Thread(target=settle_soon, args=(loop, waiting)).start()
            if pauses.random() < 0.3:
                await asyncio.sleep(0)
            await waiting

    await asyncio.wait_for(asyncio.gather(*map(tail, range(20))), 30)


async def test_a_future_that_is_cancelled_keeps_none_from_its_turn() -> None:
    loop = asyncio.get_running_loop()
    cancelled, waiting = loop.create_future(), loop.create_future()
    cancelled.cancel()
    settle_soon(loop, cancelled)
    settle_soon(loop, waiting)
    await waiting


def test_a_closed_loop_is_left_alone() -> None:
    loop = asyncio.new_event_loop()
    waiting = loop.create_future()
    loop.close()
    settle_soon(loop, waiting)
    settle_soon(loop, waiting)
    assert not waiting.done()


@pytest.mark.parametrize("is_closed_before", [True, False])
def test_a_closed_loop_is_kept_by_nobody(is_closed_before: bool) -> None:
    loop = asyncio.new_event_loop()
    waiting, known = loop.create_future(), weakref.ref(loop)
    if is_closed_before:
        loop.close()
    settle_soon(loop, waiting)
    loop.close()
    del loop, waiting
    gc.collect()
    assert known() is None
