"""Threads for blocking tools.

Not a `ThreadPoolExecutor`: the interpreter joins that one's threads when it exits, so one stuck
tool would keep a process from ending. These are daemon threads, which nothing waits for.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class ToolThreads:
    """At most `most` threads that work for one event loop, and are kept for the next call.

    A call that is given up keeps running in its thread, and keeps its place until it ends.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.busy = 0
        """How many threads have work, given up or not."""
        self._started = 0
        self._places = asyncio.Semaphore(most)
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    async def reserve(self, seconds: float | None) -> bool:
        """Wait for a free thread, and keep it for the next `submit`; False if the time is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
        except TimeoutError:
            return False
        return True

    def submit(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Start `work`, which must not raise, in the thread that was reserved."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            result = work()
            # The loop is closed: nobody waits any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._ended, future, result)

        self.busy += 1
        if self.busy > self._started:
            self._start()
        self._jobs.put(job)
        return future

    def close(self) -> None:
        """End the idle threads now, and the others after what they do."""
        for _ in range(self._started):
            self._jobs.put(None)
        self._started = 0

    def _start(self) -> None:
        name = f"threadmill-tool-{self._started + 1}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError:
            self._give_place_back()
            raise
        self._started += 1

    def _work(self) -> None:
        while job := self._jobs.get():
            job()
            # The frame would keep the last call's arguments alive until the next call.
            del job

    def _ended(self, future: asyncio.Future[T], result: T) -> None:
        self._give_place_back()
        if not future.done():
            future.set_result(result)
        elif inspect.iscoroutine(result):
            result.close()

    def _give_place_back(self) -> None:
        self.busy -= 1
        self._places.release()
