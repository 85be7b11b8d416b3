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
_WORDS = (
    "Task exception was never retrieved",
    "Future exception was never retrieved",
    "Task was destroyed but it is pending",
    "Exception in callback",
    "an error occurred during closing of asynchronous generator",
)
"""How messages of asyncio and uvloop begin."""


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
    """Log what nobody has caught; asyncio would quote the error, and a callback's arguments."""
    error = found.get("exception")
    logger.error(
        "on the event loop: %s (%s)",
        _shorten(str(found.get("message"))),
        _name_source(error, found.get("task") or found.get("future")),
        extra=about(traceback=None if error is None else user_traceback(error)),
    )


def _shorten(message: str) -> str:
    """What has happened, in asyncio's words; what follows them can be an argument."""
    return next((words for words in _WORDS if message.startswith(words)), "something unusual")


def _name_source(error: BaseException | None, future: object) -> str:
    """The error's class, and the coroutine; a task's own name could be what a user has said."""
    coroutine = future.get_coro() if isinstance(future, asyncio.Task) else None
    code = getattr(coroutine, "__qualname__", None)
    kind = None if error is None else type(error).__name__
    return " in ".join(filter(None, [kind, code])) or "no error"


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415  not to be had on every platform
    except ImportError:
        return asyncio.new_event_loop()  # does the same, slower
    return uvloop.new_event_loop()
