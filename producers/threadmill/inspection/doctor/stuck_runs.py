"""Whether runs are stuck: overdue, held by nobody, or waiting for somebody who has forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.reading import FleetReading
from threadmill.inspection.parked_runs import OVERDUE_SECONDS
from threadmill_shared.log_text import counted
from threadmill_shared.records.inspection import ParkedRun
from threadmill_shared.store.call_marks import CallMarks

FORGOTTEN_SECONDS = 3600.0
"""An approval for which somebody is asked for longer may be forgotten."""
UNANSWERED_SECONDS = 60.0
"""A process that waits for a run has executed its function long before that."""
_SHOWN = 3


def check_overdue(reading: FleetReading) -> Finding:
    """Whether runs go on although their time is over, or they were cancelled."""
    name, overdue = "runs.overdue", reading.scan.overdue
    if not overdue:
        return Finding(name, "ok", "no run is past its deadline")
    return Finding(
        name,
        "error",
        f"{counted(len(overdue), 'run')} should have ended more than {OVERDUE_SECONDS:g} s ago, by "
        f"deadline or cancellation: {_ids(overdue)}",
        "Start a worker: any worker ends them. If workers are alive, see their logs.",
    )


def check_holders(reading: FleetReading) -> Finding:
    """Whether runs are held by workers that are not registered."""
    known = {one.id for one in reading.fleet.workers}
    gone = sorted(reading.scan.holders - known)
    if not gone:
        return Finding("runs.held", "ok", "runs in progress are held by registered workers")
    return Finding(
        "runs.held",
        "warning" if reading.live else "error",
        f"runs are held by workers that are gone: {_ids([one.rpartition(':')[0] for one in gone])}",
        "Start a worker: any worker takes them over. If workers are alive, look again in 10 s.",
    )


def check_outputs(reading: FleetReading) -> Finding:
    """Whether runs wait for an output from outside for which no process is at work."""
    waiting = _waiting(reading, "output", UNANSWERED_SECONDS)
    waiting = [one for one in waiting if not _is_executed(one, reading.fleet.now)]
    if not waiting:
        return Finding("runs.outputs", "ok", "no run waits for an output that nobody works on")
    return Finding(
        "runs.outputs",
        "warning",
        f"waiting for an output from outside the workers: {_named(reading, waiting)}",
        "Of a function: start a worker with its module, or wait for the run in the process that "
        "has it. Of a tool that is given as a schema: run.submit_tool_outputs. threadmill show "
        "RUN_ID says which it is.",
    )


def _is_executed(run: ParkedRun, now: float) -> bool:
    """Whether a process executes one of its calls, and still renews its lease."""
    marks = CallMarks(run.marks)
    leases = [lease for id in marks.waiting() if (lease := marks.lessee(id)) is not None]
    return any(until > now * 1000 for _, until in leases)


def check_approvals(reading: FleetReading) -> Finding:
    """Whether calls wait for an approval that somebody has forgotten."""
    waiting = _waiting(reading, "approval", FORGOTTEN_SECONDS)
    if not waiting:
        count = reading.fleet.approvals.waiting
        return Finding("runs.approvals", "ok", f"calls that wait for an approval: {count}")
    return Finding(
        "runs.approvals",
        "warning",
        f"waiting for an approval for more than an hour: {_named(reading, waiting)}",
        "threadmill approvals lists them; threadmill approve RUN_ID or threadmill reject RUN_ID "
        "decides. They expire after THREADMILL_APPROVAL_SECONDS.",
    )


def _waiting(reading: FleetReading, what: str, seconds: float) -> list[ParkedRun]:
    """The parked runs that have waited for this for so long, the first ones first."""
    before = (reading.fleet.now - seconds) * 1000
    return [
        run
        for run in reading.parked
        if run.since <= before and what in CallMarks(run.marks).waiting().values()
    ]


def _named(reading: FleetReading, waiting: Sequence[ParkedRun]) -> str:
    ids = _ids([one.run_id for one in waiting])
    return f"{counted(len(waiting), 'run')}, the first for {_age(reading, waiting[0])} ({ids})"


def _age(reading: FleetReading, run: ParkedRun) -> str:
    minutes = (reading.fleet.now - run.since / 1000) / 60
    return f"{minutes / 60:.0f} h" if minutes >= 90 else f"{minutes:.0f} min"


def _ids(ids: Sequence[str]) -> str:
    left = len(ids) - _SHOWN
    return ", ".join(ids[:_SHOWN]) + (f" and {left} more" if left > 0 else "")
