"""Why a run's work stops before the run's end."""

from __future__ import annotations

import logging
from enum import Enum, auto

logger = logging.getLogger("threadmill.worker")


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


def log_interrupted_call(name: str, call_id: str, run_id: str, consequence: str) -> None:
    """Tell operators of a call whose effect nobody knows.

    Args:
        name: the tool's, not one that a model has made up.
        call_id: the call.
        run_id: its run.
        consequence: what becomes of it, in a few words.
    """
    logger.warning(
        "tool %s was interrupted in call %s of %s, since its worker ended; whether it had an "
        "effect is not known: %s",
        name,
        call_id,
        run_id,
        consequence,
    )
