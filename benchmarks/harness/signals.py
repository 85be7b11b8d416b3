"""A request to end, so that nothing stays that was started."""

from __future__ import annotations

import signal
import sys
from types import FrameType

_REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def exit_on_signals() -> None:
    """Let Ctrl-C, a termination and a closed terminal leave all blocks of this process."""
    for number in _REQUESTS:
        signal.signal(number, _exit)


def _exit(number: int, _: FrameType | None) -> None:
    for one in _REQUESTS:
        signal.signal(one, signal.SIG_IGN)  # the blocks end what they started, undisturbed
    sys.exit(128 + number)
