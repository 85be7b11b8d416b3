"""Waiting on a condition, in place of sleeping for luck."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE = 0.01


def wait_until(condition: Callable[[], T], what: str = "", timeout: float = 10.0) -> T:
    """Ask until the condition is true, and return what it gave.

    Raises:
        AssertionError: it was not true within `timeout` seconds.
    """
    give_up = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < give_up, _too_late(condition, what, timeout)
        time.sleep(_PAUSE)
    return found


async def wait_until_async(
    condition: Callable[[], T | Awaitable[T]], what: str = "", timeout: float = 10.0
) -> T:
    """Async version of wait_until; the condition may be a coroutine function."""
    give_up = time.monotonic() + timeout
    while True:
        answer = condition()
        found: T = await answer if inspect.isawaitable(answer) else answer
        if found:
            return found
        assert time.monotonic() < give_up, _too_late(condition, what, timeout)
        await asyncio.sleep(_PAUSE)


def _too_late(condition: Callable[[], object], what: str, timeout: float) -> str:
    return f"after {timeout} s still not: {what or condition}"
