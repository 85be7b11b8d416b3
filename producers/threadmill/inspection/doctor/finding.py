"""What a check has found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["error", "warning", "skipped", "ok"]
STATES: tuple[State, ...] = ("error", "warning", "skipped", "ok")
"""Those first that need somebody first."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    name: str
    """What was checked, such as `redis.memory`; `docs/doctor.md` lists all names."""
    state: State
    cause: str
    """What was found: if the state is not `ok`, what is wrong, or why it could not be checked."""
    cure: str = ""
    """What to do; empty if there is nothing to be done."""


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Those first that need somebody first; otherwise in the order in which they were found."""
    return sorted(findings, key=lambda one: STATES.index(one.state))


def worst(findings: Iterable[Finding]) -> Finding:
    """The one that needs somebody first: of a check that several servers have had."""
    return in_order(findings)[0]
