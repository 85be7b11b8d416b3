"""What is stored of a run's tool calls: which are open, begun, approved."""

from __future__ import annotations

from collections.abc import Mapping


class CallMarks:
    """The marks of a run's calls, as the store had them when they were read."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields

    def is_open(self, call_id: str) -> bool:
        """Whether the call is stored and has no output."""
        return call_id in self._fields

    def is_begun(self, call_id: str) -> bool:
        """Whether a worker has begun it."""
        return f"!{call_id}" in self._fields

    def was_never_begun(self, call_id: str) -> bool:
        """Whether the run is known to have ended before anybody began the call."""
        return not self.is_open(call_id) and f"~{call_id}" in self._fields

    def is_approved(self, call_id: str) -> bool:
        """Whether somebody has allowed it."""
        return f"+{call_id}" in self._fields

    def awaited(self, call_id: str) -> str | None:
        """What it waits for from outside, `approval` or `output`; None: nothing."""
        return self._fields.get(f"?{call_id}")

    def waiting(self) -> dict[str, str]:
        """What the calls wait for that wait for something from outside, by their ids."""
        return {name[1:]: what for name, what in self._fields.items() if name.startswith("?")}

    def lessee(self, call_id: str) -> tuple[str, int] | None:
        """The process that executes it, and until when (ms) its lease lasts; None: nobody does."""
        who, _, until = self._fields.get(f"@{call_id}", "").partition(" ")
        return (who, int(until)) if until.isdigit() else None
