"""Which faults are injected, and when: all of it follows from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What happens."""

    KILL = "SIGKILL of a worker"
    FREEZE = "SIGSTOP of a worker"
    STOP = "SIGTERM of a worker"
    CUT = "network cut between a worker and Redis"
    REDIS = "Redis restart"
    STALL = "SIGSTOP of Redis"
    PRODUCER = "death of a producer between write and send"
    REPEAT = "Celery messages delivered again"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault."""

    kind: Kind
    pause: float
    """Seconds after the one before it."""
    victim: int
    """Which of those that are well at that time, counted round."""
    seconds: float
    """How long it lasts, where it lasts."""


_WEIGHTS = {
    Kind.KILL: 34,
    Kind.FREEZE: 34,
    Kind.STOP: 4,
    Kind.CUT: 10,
    Kind.REDIS: 4,
    Kind.STALL: 2,
    Kind.PRODUCER: 8,
    Kind.REPEAT: 6,
}
LONG = (6.5, 8.0)
"""Seconds; longer than it takes to find it out."""
_SHORT = (0.1, 3.0)
_DOWN = (0.0, 1.5)
"""Seconds without a Redis."""


def faults(seed: str, mean_pause: float, *, cuts: bool) -> Iterator[Fault]:
    """Faults without end; one of each kind first, so that a short time has them all."""
    dice = random.Random(f"{seed}/plan")
    kinds = [kind for kind in Kind if cuts or kind is not Kind.CUT]
    first = list(kinds)
    dice.shuffle(first)
    while True:
        kind = first.pop() if first else dice.choices(kinds, [_WEIGHTS[k] for k in kinds])[0]
        pause = dice.uniform(0.2, 1.8) * mean_pause
        yield Fault(kind, pause, dice.randrange(1_000_000), _seconds(kind, dice))


def _seconds(kind: Kind, dice: random.Random) -> float:
    if kind is Kind.REDIS:
        return dice.uniform(*_DOWN)
    return dice.uniform(*(LONG if dice.random() < 0.5 else _SHORT))
