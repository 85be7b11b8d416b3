"""What one of the two APIs' parsers does, and the ways in which a stream may end."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, Protocol

from threadmill_shared.model import ModelEvent, TurnEnded


class StreamEnd(Enum):
    """How a stream ended that had not told its own end."""

    DONE = auto()
    """The provider sent `[DONE]`, or its answer as a whole."""
    CLOSED = auto()
    """The body ended as HTTP says that it ends."""
    BROKEN = auto()
    """The connection broke, or fell silent."""


class EventParser(Protocol):
    """Turns the events of one stream of one API into ours."""

    turn: TurnEnded | None
    """Set when the stream has announced its end."""

    def parse(self, event: dict[str, Any]) -> Sequence[ModelEvent]:
        """Return what this event means.

        Raises:
            StreamFailed: the provider reports an error.
            Exception: it violates the protocol.
        """
        ...

    def has_finished(self) -> bool:
        """Whether the provider has said why it stopped, and has sent no more since."""
        ...

    def close(self, end: StreamEnd) -> Sequence[ModelEvent]:
        """Set `turn`, and return what the answer has besides, now that no more of it comes.

        Raises:
            ModelGarbled: the stream broke off.
        """
        ...
