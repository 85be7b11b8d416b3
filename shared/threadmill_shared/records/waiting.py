"""How many runs wait, and for what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class WaitingRuns:
    """The runs of one namespace that no worker executes; those in a thread's line are left out."""

    queued: Mapping[str, int] = field(default_factory=dict)
    """Runs that any worker of the queue may claim, by queue; queues without any are left out."""
    oldest: Mapping[str, float] = field(default_factory=dict)
    """How many seconds the oldest of them has waited, by queue."""
    parked: Mapping[str, int] = field(default_factory=dict)
    """Runs that wait for somebody outside, by what they wait for: `approval` or `output`."""
    longest: Mapping[str, float] = field(default_factory=dict)
    """How many seconds the oldest of them has been parked, by the same."""
