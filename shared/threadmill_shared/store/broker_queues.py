"""Celery's queues that lie in the store's own Redis: messages go out with the store's pipeline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from threadmill_shared.store.pipeline import Command, Pipeline

DRAIN_SECONDS = 2.0
"""How long a process that ends waits for its last messages to be answered."""


class BrokerQueues:
    """Puts messages into queues, without anybody who waits for them."""

    def __init__(self, pipeline: Pipeline) -> None:
        """Queues on the server of this pipeline."""
        self._pipeline = pipeline
        self._unanswered: set[_Push] = set()
        self._is_drained = asyncio.Event()

    def push(self, queue: str, message: bytes, note: Callable[[Exception | None], None]) -> None:
        """Put a message into a queue with the next round trip.

        Args:
            queue: the queue's name.
            message: as kombu writes it.
            note: is told what has come in place of an answer, if anything; the message may be there
                nevertheless.
        """
        push = _Push(("LPUSH", queue, message), note, self._forget)
        self._unanswered.add(push)
        self._pipeline.put(push)

    async def drain(self) -> None:
        """Wait a moment until all that was put has been answered."""
        self._is_drained.clear()
        if self._unanswered:
            try:
                await asyncio.wait_for(self._is_drained.wait(), DRAIN_SECONDS)
            except TimeoutError:
                return

    def _forget(self, push: _Push) -> None:
        self._unanswered.discard(push)
        if not self._unanswered:
            self._is_drained.set()


class _Push:
    """A message that nobody waits for."""

    def __init__(
        self,
        command: Command,
        note: Callable[[Exception | None], None],
        forget: Callable[[_Push], None],
    ) -> None:
        self._command = command
        self._note = note
        self._forget = forget

    def command(self) -> Command:
        return self._command

    def settle(self, reply: Any) -> None:
        self._forget(self)
        self._note(reply if isinstance(reply, Exception) else None)
