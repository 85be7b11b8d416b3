"""Signals that ask a command to end which has processes of its own to end first."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def handling(handler: Callable[[int], None]) -> Iterator[None]:
    """Hand these signals to the handler; to be used in the main thread."""

    def handle(number: int, _frame: FrameType | None) -> None:
        handler(number)

    former = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in former.items():
            signal.signal(number, old)


@contextmanager
def deferred() -> Iterator[None]:
    """Deliver what arrives meanwhile afterwards: a process that is being started gets its place."""
    arrived: list[int] = []
    with handling(arrived.append):
        yield
    for number in arrived[:1]:
        signal.raise_signal(number)


def unwind(number: int) -> None:
    """Unwind the main thread, so that `with` blocks end what they began.

    Raises:
        KeyboardInterrupt: for SIGINT.
        SystemExit: for the others, with the exit code that a shell would show.
    """
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
