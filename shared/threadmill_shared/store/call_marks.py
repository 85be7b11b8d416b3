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

    def is_approved(self, call_id: str) -> bool:
        """Whether somebody has allowed it."""
        return f"+{call_id}" in self._fields
