"""Why a parked run does not move: for whom it waits."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill.inspection.standstill import Standstill
from threadmill.inspection.surroundings import Surroundings
from threadmill_shared.log_text import counted
from threadmill_shared.records.objects import ToolCall
from threadmill_shared.tools.identity import is_of_one_process

OVERDUE_SECONDS = 15.0
"""A live worker has ended a run by then whose time is over."""


def find_why_parked(around: Surroundings) -> Standstill:
    """Say for whom a parked run waits."""
    if (overdue := _overdue(around)) is not None:
        return overdue
    waiting = around.marks.waiting()
    calls = [call for _, call in around.open_calls() if call.id in waiting]
    decided = [call for call in calls if waiting[call.id] == "approval"]
    if decided:
        return _unapproved(around, decided)
    return _unanswered(around, calls)


def _overdue(around: Surroundings) -> Standstill | None:
    """Say that its time is over, and that nobody has ended it; None: it has some left."""
    deadline = around.record.deadline
    late = 0.0 if deadline is None else (around.place.now - deadline) / 1000
    if late <= OVERDUE_SECONDS:
        return None
    start = "Start a worker: threadmill worker MODULE; any worker ends it"
    return Standstill(
        kind="overdue",
        reason="Its time is over, and no worker has ended it.",
        cure="See the logs of the workers: any of them ends it" if around.living else start,
        seconds=late,
    )


def _unapproved(around: Surroundings, calls: Sequence[ToolCall]) -> Standstill:
    others = f", as {counted(len(calls) - 1, 'more call')}" if calls[1:] else ""
    run_id, call = around.record.id, calls[0]
    return Standstill(
        kind="waits_for_approval",
        reason=f"Its call {call.id} of the tool {call.name} waits for an approval{others}.",
        cure=f"threadmill approve {run_id} {call.id}, or threadmill reject {run_id} {call.id}",
        seconds=around.seconds_since_event,
    )


def _unanswered(around: Surroundings, calls: Sequence[ToolCall]) -> Standstill:
    leased = [call for call in calls if around.marks.lessee(call.id)]
    executed = [call for call in leased if around.is_executed_outside(call.id)]
    if executed:
        return Standstill(
            kind="executing_outside",
            reason=f"A process outside the workers executes its tool {executed[0].name}.",
            cure="Wait for that process; if it is lost, the next one that waits continues",
            seconds=around.seconds_since_event,
        )
    if leased:
        return _without_lessee(around, leased[0])
    names = ", ".join(dict.fromkeys(call.name for call in calls)) or "its calls"
    return Standstill(
        kind="waits_for_output",
        reason=f"It waits for the output of {names} from outside{_why_outside(around, calls)}.",
        cure="Submit it (run.submit_tool_outputs in Python), or start a process that has the"
        f" function and waits for the run (run.wait()), or threadmill cancel {around.record.id}",
        seconds=around.seconds_since_event,
    )


def _without_lessee(around: Surroundings, call: ToolCall) -> Standstill:
    lease = around.marks.lessee(call.id)
    return Standstill(
        kind="executor_lost",
        reason=f"The script or service that executed its tool {call.name} is gone.",
        cure=_cure_of_loss(around, call),
        seconds=around.seconds_since(lease[1] / 1000) if lease else None,
    )


def _cure_of_loss(around: Surroundings, call: ToolCall) -> str:
    """What helps if the process that executed a call is gone."""
    spec, cancel = around.spec(call.name), f"threadmill cancel {around.record.id}"
    if spec is not None and is_of_one_process(spec.identity):
        return f"{cancel}. No other process has this function, since the script itself defines it"
    return (
        "Start another one that has the function and waits for the run (run.wait() in Python), or"
        f" {cancel}. Otherwise the run expires"
    )


def _why_outside(around: Surroundings, calls: Sequence[ToolCall]) -> str:
    """Why no worker executes the first of these calls."""
    spec = around.spec(calls[0].name) if calls else None
    if spec is None or spec.is_external:
        return ""
    return f": {around.absence(spec)}"
