"""A run's events, for a caller that reads them one after another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

from threadmill.client.bridge import BridgeClosed
from threadmill.runs.time_limit import GRACE_SECONDS, within
from threadmill_shared import errors

if TYPE_CHECKING:
    from threadmill.client.client import Client
    from threadmill_shared.events.decoder import Event


class EventStream:
    """A run's events, fetched in groups from the bridge."""

    def __init__(self, client: Client, run_id: str, after: int) -> None:
        self._client = client
        self._follow: Callable[[], AsyncGenerator[list[Event], None]] = lambda: client.follow(
            run_id, after
        )
        self._stream: AsyncGenerator[list[Event], None] | None = None
        # A `next` that its caller has given up may still be unwinding when `close` comes.
        self._turn = asyncio.Lock()

    async def next(self, timeout: float | None = None) -> list[Event] | None:
        """The next group; None after the last one.

        Raises:
            TimeoutError: none came within `timeout` seconds.
            RunLost, LogRewound, EventsExpired: as their names say.
        """
        try:
            events: list[Event] | None = await self._client.call(within(timeout, self._next))
        except errors.RunNotFound as error:
            raise errors.RunLost(str(error)) from error
        return events

    async def close(self) -> None:
        """Stop following; a client that is closed has done so already."""
        with contextlib.suppress(BridgeClosed, TimeoutError):
            await self._client.call(within(GRACE_SECONDS, self._close))

    async def _next(self) -> list[Event] | None:
        async with self._turn:
            if self._stream is None:
                self._stream = self._follow()
            return await anext(self._stream, None)

    async def _close(self) -> None:
        async with self._turn:
            if self._stream is not None:
                await self._stream.aclose()
