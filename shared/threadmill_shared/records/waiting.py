"""How many runs wait, and for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class QueuedRuns:
    """Runs of one queue that any of its workers may claim."""

    queue: str
    """Their own; the messages of those that had begun are in another one."""
    has_begun: bool
    runs: int
    oldest_seconds: float
    """How long the oldest of them has waited."""


@dataclass(frozen=True)
class WaitingRuns:
    """The runs of one namespace that no worker executes; those in a thread's line are left out."""

    queues: Sequence[QueuedRuns] = ()
    """Queues without any are left out."""
    parked: Mapping[str, int] = field(default_factory=dict)
    """Runs that wait for somebody outside, by what they wait for: `approval` or `output`."""
    longest: Mapping[str, float] = field(default_factory=dict)
    """How many seconds the oldest of them has been parked, by the same."""
    is_sampled: bool = False
    """Whether some numbers are estimates, from a part of the runs."""

    @property
    def queued(self) -> dict[str, int]:
        """How many runs any worker of a queue may claim, by queue."""
        found: Counter[str] = Counter()
        for one in self.queues:
            found[one.queue] += one.runs
        return dict(found)

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest of them has waited; 0 if there is none."""
        return max((one.oldest_seconds for one in self.queues), default=0.0)
