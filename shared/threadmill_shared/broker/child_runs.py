"""Runs that a tool enqueues and waits for.

The tool's own run holds a slot of this worker while it waits. If its child needed a slot too, all
slots could come to hold parents, and nothing would move. So the child of a tool is executed by the
same process, without a message and without a slot, even if it continues after it was parked, or was
the next in its thread's line. A child of a queue that the worker does not consume belongs to
others, who may have another provider.

The worker registers here what executes runs, and the process's client looks it up: neither may
import the other, and a tool may make the client at any time (docs/adr/0017).
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from threadmill_shared.records.changes import Dispatch
from threadmill_shared.tools import NoCurrentCall, current_call

Execute = Callable[[str, str], None]
"""Takes a run's id and its parent's, and returns at once."""

_executors: list[tuple[Execute, frozenset[str]]] = []
"""At most one, with the queues of its worker: a process has one worker."""


def offer(execute: Execute, queues: Collection[str]) -> None:
    """Register what executes the runs of some queues here; the one before it is replaced."""
    _executors[:] = [(execute, frozenset(queues))]


def withdraw() -> None:
    """Register that nothing in this process executes runs any more."""
    _executors.clear()


def parent_here() -> str | None:
    """The run whose tool asks, where this process executes runs; None: nobody's child is ours."""
    if not _executors:
        return None
    try:
        return current_call().run_id
    except NoCurrentCall:
        return None


def execute_here(dispatch: Dispatch | None) -> bool:
    """Execute a run here, if a tool of this process has enqueued it, and its queue is ours."""
    parent = parent_here()
    if dispatch is None or parent is None:
        return False
    execute, queues = _executors[0]
    if dispatch.queue not in queues:
        return False
    execute(dispatch.run_id, parent)
    return True
