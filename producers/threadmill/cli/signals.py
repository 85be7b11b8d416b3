"""Signals that end a command which must first end its own processes."""

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
    """Defer signals to the end of the block, so that a process being started gets recorded."""
    arrived: list[int] = []
    with handling(arrived.append):
        yield
    for number in arrived[:1]:
        signal.raise_signal(number)


def unwind(number: int) -> None:
    """Unwind the main thread, so that `with` blocks clean up.

    Raises:
        KeyboardInterrupt: for SIGINT.
        SystemExit: for the others, with the exit code that a shell would show.
    """
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
