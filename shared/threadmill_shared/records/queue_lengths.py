"""How many messages wait in queues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class QueueLengths:
    """What the broker has said."""

    messages: Mapping[str, int] = field(default_factory=dict)
    """By queue; a queue that the broker does not know has none."""
    error: str | None = None
    """Why it has said nothing, as a part of a sentence."""
