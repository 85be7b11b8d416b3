"""Waiting for a condition that nothing announces."""

from __future__ import annotations

import time
from collections.abc import Callable

GIVE_UP_SECONDS = 120.0


def wait_until(condition: Callable[[], object], what: str, pause: float = 0.01) -> None:
    """Wait until the condition holds, which is looked at after each pause in seconds.

    Raises:
        TimeoutError: it does not; `what` says what was waited for.
    """
    until = time.monotonic() + GIVE_UP_SECONDS
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"not after {GIVE_UP_SECONDS:g} s: {what}")
        time.sleep(pause)
