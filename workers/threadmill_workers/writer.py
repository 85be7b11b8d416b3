"""One writer per process: it gathers what all held runs have to write into one pipeline.

While a pipeline is under way, deltas join the next one; an idle writer sends at once. So there is no
timer in the path of a token, and a busy process pays for one round trip, not for one per run.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from redis import exceptions as redis_errors

from threadmill_shared.connections import StoreClient
from threadmill_shared.scripts import PASSING, Call, script

logger = logging.getLogger("threadmill.worker")

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0


class Source(Protocol):
    """Something that has appends to send, one at a time."""

    def take_call(self) -> Call | None:
        """The next append, or None."""
        ...

    def settle(self, reply: list[Any]) -> None:
        """Take its answer."""
        ...


class LogWriter:
    """Sends the appends of all held runs, and repeats the identical ones until each is answered."""

    def __init__(self, client: StoreClient) -> None:
        self._client = client
        self._marked: dict[Source, None] = {}
        self._wake = asyncio.Event()

    def mark(self, source: Source) -> None:
        """Say that a run has something to write."""
        if not self._marked:
            self._wake.set()
        self._marked[source] = None

    async def work(self) -> None:
        """Write for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            marked, self._marked = self._marked, {}
            calls = {source: call for source in marked if (call := source.take_call())}
            pause = _FIRST_PAUSE
            while calls := await self._flush(calls):
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _flush(self, calls: dict[Source, Call]) -> dict[Source, Call]:
        """Send the calls; returns those that have no answer yet."""
        if not calls:
            return {}
        pipeline = self._client.pipeline(transaction=False)
        for call in calls.values():
            pipeline.execute_command(*call)
        try:
            replies = await pipeline.execute(raise_on_error=False)
        except PASSING as error:
            logger.warning("Redis does not answer (%s); appends are repeated", type(error).__name__)
            return calls
        unanswered = {}
        for (source, call), reply in zip(calls.items(), replies, strict=True):
            if not isinstance(reply, Exception):
                source.settle(reply)
            elif isinstance(reply, redis_errors.NoScriptError):
                unanswered[source] = ("EVAL", script("append").text, *call[2:])
            elif isinstance(reply, (*PASSING, redis_errors.OutOfMemoryError)):
                unanswered[source] = call
            else:  # a fault of ours; repeating it for ever would stop all other runs
                logger.error("an append was refused: %s", reply)
                source.settle(["refused"])
        return unanswered
