"""Runs of a thread execute in the order in which they were enqueued, those that interrupt first."""

from __future__ import annotations

from tests.support.state_machine.commands import bucket_key
from tests.support.store.contents import Contents
from tests.support.store.leaks import TERMINAL


class Order:
    """Remembers who was enqueued when, and judges each run that begins."""

    def __init__(self) -> None:
        self._enqueued: dict[str, list[str]] = {}

    def enqueued(self, thread_id: str, run_id: str) -> None:
        self._enqueued.setdefault(thread_id, []).append(run_id)

    def begins(self, contents: Contents, thread_id: str, run_id: str) -> list[str]:
        """The runs that ought to have ended before this one begins, and have not."""
        runs = {
            other: contents.hash(f"{bucket_key(other)}run:{other}")
            for other in self._enqueued[thread_id]
        }
        mine = "interrupts" in runs[run_id]
        at = self._enqueued[thread_id].index(run_id)
        return [
            other
            for place, other in enumerate(self._enqueued[thread_id])
            if runs[other].get("status", "cancelled") not in TERMINAL
            and self._comes_first(place, "interrupts" in runs[other], at, mine=mine)
        ]

    @staticmethod
    def _comes_first(place: int, interrupts: bool, at: int, *, mine: bool) -> bool:
        if interrupts == mine:
            return place < at
        return interrupts
