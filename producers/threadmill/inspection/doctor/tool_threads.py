"""Whether workers have threads left for synchronous tools."""

from __future__ import annotations

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.reading import FleetReading
from threadmill_shared.log_text import counted


def check_tool_threads(reading: FleetReading) -> Finding:
    """Whether tool calls keep threads that nobody waits for, or wait for a thread."""
    name = "workers.tool_threads"
    known = [(one.worker, one.tool_threads) for one in reading.live if one.tool_threads]
    if not known:
        return Finding(name, "skipped", "no worker says so")
    waiting = [(worker, use) for worker, use in known if use.waiting]
    if waiting:
        worker, use = max(waiting, key=lambda one: one[1].waiting)
        return Finding(
            name,
            "warning",
            f"waiting for a thread in {worker}: {counted(use.waiting, 'tool call')}; {use.busy} of "
            f"{use.limit} threads are busy, {use.abandoned} more are abandoned",
            "Raise THREADMILL_TOOL_THREADS or start more workers; the worker's log names the tools "
            "that keep the threads.",
        )
    abandoned = [(worker, use) for worker, use in known if use.abandoned]
    if abandoned:
        total = sum(use.abandoned for _, use in abandoned)
        worker, use = max(abandoned, key=lambda one: one[1].abandoned)
        return Finding(
            name,
            "warning",
            f"still running although nobody waits for them: {counted(total, 'tool call')}, most of "
            f"them in {worker} ({use.abandoned})",
            "Give what the tools call a time limit shorter than the tool's (docs/tools.md); the "
            "worker's log names them. A worker with too many is replaced.",
        )
    return Finding(name, "ok", "no call is abandoned, and none waits for a thread")
