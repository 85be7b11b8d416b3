"""Rounds in which contenders take turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.effort import Effort
from harness.results import OURS, Values

Contender = Callable[[], Values]


def alternate(effort: Effort, contenders: Mapping[str, Contender]) -> dict[str, list[Values]]:
    """Measure each contender once in every round, every second time in the opposite order.

    Without peers only ours is measured.
    """
    names = [name for name in contenders if effort.with_peers or name == OURS]
    found: dict[str, list[Values]] = {name: [] for name in names}
    for number in range(effort.rounds):
        for name in names if number % 2 == 0 else reversed(names):
            found[name].append(contenders[name]())
    return found
