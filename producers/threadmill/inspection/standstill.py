"""Why a run does not move, as plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Standstill:
    """Why a run does not move."""

    kind: str
    """A word for programs; `docs/cli.md` lists them."""
    reason: str
    """A sentence."""
    cure: str
    """What can be done, or what happens by itself."""
    seconds: float | None = None
    """For how long it is so; None: not known."""
