"""One event loop per process, in a thread of its own, for all that this package waits for.

Connections belong to an event loop. Users have none, one, or a new one per request; so ours has its
own, and every call hops over to it. It is begun at the first use, anew after a fork, and ended when
the process ends.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from threadmill.twins import Hop

T = TypeVar("T")

_CLOSE_SECONDS = 3.0


class Bridge:
    """A thread that runs an event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="threadmill-bridge", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def hop(self, work: Coroutine[Any, Any, T]) -> Hop[T]:
        """Begin work on the bridge; await the result inside an operation."""
        return Hop(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        """Cancel what is under way, and end the thread."""
        atexit.unregister(self.close)
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop)
            self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    async def _cancel_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        self._loop.stop()
