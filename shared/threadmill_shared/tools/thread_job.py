"""One call of a synchronous tool, while a thread executes it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from threadmill_shared.tools.call_context import CallContext


@dataclass(eq=False)
class ThreadJob:
    """What a thread executes, for logs and counts; never what the call is about."""

    tool: str
    """The tool's name."""
    context: CallContext
    future: asyncio.Future[Any]
    """Its result; cancelled by a caller that no longer waits."""
    limit: float | None = None
    """Seconds that the call may take; None: nobody has set a limit."""
    began: float = field(default_factory=time.monotonic)
    is_abandoned: bool = False
    """Nobody waits for its result any more, but its thread still executes it."""
    is_overdue: bool = False
    """It is abandoned, and its time is over: it may never return."""
    was_reported: bool = False
    """The log has told that it is abandoned."""

    @property
    def seconds_left(self) -> float:
        """Until its time is over; 0 or less: it is, or there is no limit."""
        return 0.0 if self.limit is None else self.began + self.limit - time.monotonic()

    def __str__(self) -> str:
        seconds = time.monotonic() - self.began
        run_id, call_id = self.context.run_id, self.context.call_id
        return f"{self.tool} (call {call_id} of {run_id}, begun {seconds:.0f} s ago)"
