"""Looks for live workers on behalf of all runs of a process that wait for one."""

from __future__ import annotations

import asyncio
import time

from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.workers import Workers

LOOK_SECONDS = 1.0
"""Time between two looks."""


class WorkerWatch:
    """Reads which workers live, at most once a second however many runs ask."""

    def __init__(self, workers: Workers) -> None:
        """Nothing is read yet."""
        self._workers = workers
        self._reading = asyncio.Lock()
        self._read_at = float("-inf")
        self._alive: list[WorkerInfo] = []

    async def alive(self) -> list[WorkerInfo]:
        """The workers that lived a second ago or later."""
        async with self._reading:
            if time.monotonic() - self._read_at >= LOOK_SECONDS:
                self._alive = await self._workers.alive()
                self._read_at = time.monotonic()
            return self._alive
