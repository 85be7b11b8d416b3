"""How many threads for synchronous tools a process has, and what they do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ThreadCounts:
    """The tool threads of one process at one moment."""

    limit: int
    """Calls that may be executed at a time, as `THREADMILL_TOOL_THREADS` allows."""
    busy: int
    """Threads that execute a call whose caller waits for it."""
    abandoned: int
    """Further threads, whose call timed out or whose run no longer needs it."""
    waiting: int
    """Calls that wait for a thread."""
