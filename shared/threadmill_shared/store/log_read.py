"""A read of a run's log that goes out with the next pipeline, and again whenever it is put."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from threadmill_shared.store.pipeline import Command, Pipeline

RawEntry = tuple[str, Any]
"""An entry of a stream as Redis gives it: its id and its fields."""


class LogRead:
    """Reads what is there when its turn comes, without a task that waits for the answer."""

    __slots__ = ("_count", "_key", "_pipeline", "_place", "_take")

    def __init__(
        self,
        pipeline: Pipeline,
        key: str,
        count: int,
        *,
        place: Callable[[], int | None],
        take: Callable[[list[RawEntry] | None], None],
    ) -> None:
        """Nothing is read yet.

        Args:
            pipeline: the store's.
            key: the log's.
            count: at most so many entries.
            place: asked at the last moment; number of the event whose entry comes first. None:
                there is nothing to read.
            take: given the entries. None: nothing was read.
        """
        self._pipeline = pipeline
        self._key = key
        self._count = count
        self._place = place
        self._take = take

    def put(self) -> None:
        """Have it sent with the next pipeline; once, however often it is put until then."""
        self._pipeline.put(self)

    def close(self) -> None:
        """Read nothing more: it holds those who read, and they hold it."""
        self._place, self._take = _no_place, _take_nothing

    def command(self) -> Command | None:
        """What the pipeline sends."""
        first = self._place()
        if first is not None:
            return "XRANGE", self._key, first, "+", "COUNT", self._count
        self._take(None)
        return None

    def settle(self, reply: Any) -> None:
        """What the pipeline has got."""
        self._take(reply if isinstance(reply, list) else None)


def _no_place() -> None:
    """There is nothing to read."""


def _take_nothing(_found: object) -> None:
    """Nobody reads."""
