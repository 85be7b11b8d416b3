"""The event loop of a worker process, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from types import FrameType
from typing import Any, TypeVar

from threadmill_shared.log_text import about
from threadmill_shared.tools.user_traceback import user_traceback
from threadmill_workers.log_text import describe_error

logger = logging.getLogger("threadmill.worker")

T = TypeVar("T")

_JOIN_SECONDS = 5


class EventLoopThread:
    """Runs coroutines for other threads, all on one event loop."""

    def __init__(self) -> None:
        """A loop that does not run yet."""
        self.loop = _new_event_loop()
        self._thread = threading.Thread(target=self._run, name="threadmill-loop", daemon=True)

    def start(self) -> None:
        """Let the loop run."""
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and wait for it; from another thread."""
        return self.begin(work).result()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin a coroutine, from whichever thread; the future ends with it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def begin_unobserved(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a coroutine that nobody waits for; its failure is logged."""
        self.begin(work).add_done_callback(_log_failure)

    def frame(self) -> FrameType | None:
        """The frame that its thread executes now; to be asked in another thread."""
        number = self._thread.ident
        return None if number is None else sys._current_frames().get(number)  # noqa: SLF001

    def stop(self) -> None:
        """Stop the loop, and wait for its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(_log_error)
        self.loop.run_forever()
        self.loop.close()


def _log_failure(ended: Future[None]) -> None:
    if not ended.cancelled() and (error := ended.exception()) is not None:
        logger.error("work in the background failed: %s", describe_error(error))


def _log_error(_loop: asyncio.AbstractEventLoop, found: dict[str, Any]) -> None:
    """Log what nobody has caught; asyncio would quote the error, and its task's arguments."""
    error = found.get("exception")
    logger.error(
        "on the event loop: %s (%s)",
        found.get("message", "an error"),
        type(error).__name__,
        extra=about(traceback=None if error is None else user_traceback(error)),
    )


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415  not to be had on every platform
    except ImportError:
        return asyncio.new_event_loop()  # does the same, slower
    return uvloop.new_event_loop()
