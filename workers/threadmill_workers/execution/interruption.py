"""Why a run's work stops before the run's end."""

from __future__ import annotations

from enum import Enum, auto


class LostRun(Exception):
    """The run is no longer ours; whoever writes for it stops."""


class Interruption(Enum):
    """Why a held run is to stop before its end."""

    CANCEL = auto()
    """Somebody cancelled it: end it as cancelled."""
    LOST = auto()
    """It belongs to somebody else, or has ended: drop it."""
    YIELD = auto()
    """This worker shuts down, or the store has gone back to an earlier state: release it."""
