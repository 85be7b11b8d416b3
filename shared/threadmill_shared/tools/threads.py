"""Threads for blocking tools.

Not a `ThreadPoolExecutor`: the interpreter joins that one's threads when it exits, so one stuck
tool would keep a process from ending. These are daemon threads, which nothing waits for.

A thread cannot be stopped from outside. A call that is abandoned (it timed out, or its run was
cancelled) keeps its thread, and the next call gets another one in its place. Within its time limit
it may return like any other; after that it may never.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from threadmill_shared.tools.call_context import CallContext, call_fields
from threadmill_shared.tools.thread_counts import ThreadCounts
from threadmill_shared.tools.thread_job import ThreadJob

T = TypeVar("T")

logger = logging.getLogger("threadmill.tools")

LEAST_SPARE = 8
"""Abandoned calls that a process bears, however few threads it has: with one thread, one slow call
would otherwise have the process replaced."""
ABANDONED_SECONDS = 1.0
"""After that an abandoned call is reported. Most end sooner: people cancel runs all the time."""
WAITING_SECONDS = 1.0
"""After that a call that waits for a thread is reported."""
STARVED_SECONDS = 10.0
"""After that a call that waits, because abandoned calls have its room, is not left waiting."""
REPORT_SECONDS = 10.0
"""Between two reports of waiting calls."""
_TIMER_SECONDS = 0.05
"""A timer of an event loop may fire that much too early."""


class ToolThreads:
    """At most `limit` threads that work for one event loop, and are kept for the next call.

    Abandoned calls do not count: each is replaced by a further thread, up to `spare` of them. Of
    more, each takes the room of a call.
    """

    def __init__(self, limit: int, on_exhausted: Callable[[int], None] = lambda _: None) -> None:
        """Threads are started when they are needed.

        Args:
            limit: calls that are executed at a time.
            on_exhausted: called with the number of abandoned calls, when the time of as many as can
                be replaced is over, or when there are more and a call has waited long for a thread;
                again only after all of these have returned.
        """
        self.limit = limit
        self.spare = max(limit, LEAST_SPARE)
        self._on_exhausted = on_exhausted
        self._is_exhausted = False
        self._jobs: dict[ThreadJob, None] = {}
        self._abandoned = 0
        self._overdue = 0
        self._waiting: dict[object, tuple[str, CallContext]] = {}
        self._reported_at = float("-inf")
        self._started = 0
        self._places = asyncio.Semaphore(limit)
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def counts(self) -> ThreadCounts:
        """What the threads do at this moment; may be called in any thread."""
        abandoned = self._abandoned
        busy = max(0, len(self._jobs) - abandoned)
        return ThreadCounts(self.limit, busy, abandoned, len(self._waiting))

    def abandoned_calls(self) -> tuple[str, ...]:
        """The ids of the abandoned calls that are still executed, the oldest first."""
        return tuple(job.context.call_id for job in self._jobs if job.is_abandoned)

    def abandoned_tools(self) -> Counter[str]:
        """How many abandoned calls of each tool, by name, are still executed."""
        return Counter(job.tool for job in self._jobs if job.is_abandoned)

    async def reserve(self, tool: str, context: CallContext, seconds: float | None) -> bool:
        """Wait for a free thread, and keep it for the next `submit`; False if the time is over."""
        loop, key = asyncio.get_running_loop(), object()
        timers = [
            loop.call_later(WAITING_SECONDS, self._report_waiting, key),
            loop.call_later(STARVED_SECONDS, self._note_starved),
        ]
        self._waiting[key] = tool, context
        try:
            async with asyncio.timeout(seconds):
                return await self._places.acquire()
        except TimeoutError:
            return False
        finally:
            del self._waiting[key]
            for timer in timers:
                timer.cancel()

    def submit(
        self,
        tool: str,
        context: CallContext,
        work: Callable[[], T],
        *,
        limit: float | None = None,
    ) -> asyncio.Future[T]:
        """Start `work`, which must not raise, in the thread that was reserved.

        Whoever no longer waits for the result must cancel the future: the call is then abandoned.

        Args:
            tool: its name, for the log.
            context: of which call.
            work: what the thread executes.
            limit: seconds after which the caller no longer waits; None: it always does.

        Raises:
            RuntimeError: no thread can be started.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        job = ThreadJob(tool, context, future, limit)

        def execute() -> None:
            result = work()
            # The loop is closed: nobody waits any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._end, job, result)

        self._ensure_thread()
        self._jobs[job] = None
        future.add_done_callback(lambda done: self._abandon(job) if done.cancelled() else None)
        self._queue.put(execute)
        return future

    def close(self) -> None:
        """End the idle threads now, and the others after what they do."""
        for _ in range(self._started):
            self._queue.put(None)
        self._started = 0

    # ---- threads ---------------------------------------------------------------------------------

    def _ensure_thread(self) -> None:
        if len(self._jobs) < self._started:
            return
        name = f"threadmill-tool-{self._started + 1}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError:
            self._places.release()
            raise
        self._started += 1

    def _work(self) -> None:
        while job := self._queue.get():
            job()
            # The frame would keep the last call's arguments alive until the next call.
            del job

    # ---- calls -----------------------------------------------------------------------------------

    def _end(self, job: ThreadJob, result: Any) -> None:
        """A thread has executed a call."""
        del self._jobs[job]
        if job.is_abandoned:
            self._end_abandoned(job)
        else:
            self._places.release()
        if not job.future.done():
            job.future.set_result(result)
        elif inspect.iscoroutine(result):
            result.close()

    def _end_abandoned(self, job: ThreadJob) -> None:
        if self._abandoned > self.spare:
            self._places.release()
        self._abandoned -= 1
        self._overdue -= job.is_overdue
        self._is_exhausted = self._is_exhausted and self._abandoned > 0
        if job.was_reported:
            logger.info(
                "tool %s has returned, and its thread is free again; calls that nobody waits for: "
                "%d",
                job,
                self._abandoned,
                extra=call_fields(job.context),
            )
        if self._started > self.limit + self._abandoned:  # as many threads as are needed again
            self._started -= 1
            self._queue.put(None)

    def _abandon(self, job: ThreadJob) -> None:
        """Nobody waits for a call any more; another one may have its room."""
        if job not in self._jobs:
            return
        job.is_abandoned = True
        self._abandoned += 1
        if self._abandoned <= self.spare:
            self._places.release()
        loop = job.future.get_loop()
        loop.call_later(ABANDONED_SECONDS, self._report_abandoned, job)
        if job.seconds_left <= _TIMER_SECONDS:
            self._note_overdue(job)
        else:
            loop.call_later(job.seconds_left, self._note_overdue, job)

    def _note_overdue(self, job: ThreadJob) -> None:
        """The time of an abandoned call is over."""
        if job not in self._jobs:
            return
        job.is_overdue = True
        self._overdue += 1
        if self._overdue >= self.spare:
            self._note_exhausted()

    def _note_starved(self) -> None:
        """A call has waited for long; the abandoned ones may be the reason."""
        if self._abandoned > self.spare:
            self._note_exhausted()

    def _note_exhausted(self) -> None:
        if not self._is_exhausted:
            self._is_exhausted = True
            self._on_exhausted(self._abandoned)

    # ---- reports ---------------------------------------------------------------------------------

    def _report_abandoned(self, job: ThreadJob) -> None:
        if job in self._jobs:
            job.was_reported = True
            logger.warning(
                "nobody waits for tool %s any more, but it still keeps a thread; such calls: %d, "
                "of at most %d",
                job,
                self._abandoned,
                self.spare,
            )

    def _report_waiting(self, key: object) -> None:
        """Log that a call waits, and which one has been executed for longest; now and then."""
        if key not in self._waiting:
            return
        too_early = self._reported_at + REPORT_SECONDS - time.monotonic()
        if too_early > 0:
            asyncio.get_running_loop().call_later(too_early, self._report_waiting, key)
            return
        self._reported_at = time.monotonic()
        tool, context = self._waiting[key]
        oldest = next((job for job in self._jobs if not job.is_abandoned), "abandoned")
        logger.warning(
            "tool %s waits for a thread (call %s of %s); such calls: %d; THREADMILL_TOOL_THREADS "
            "allows %d at a time, of which the oldest is %s",
            tool,
            context.call_id,
            context.run_id,
            len(self._waiting),
            self.limit,
            oldest,
        )
