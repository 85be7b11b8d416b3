"""Why a parked run does not move: for whom it waits."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill.inspection.standstill import Standstill
from threadmill.inspection.surroundings import Surroundings
from threadmill_shared.log_text import counted
from threadmill_shared.records.objects import ToolCall


def find_why_parked(around: Surroundings) -> Standstill:
    """Say for whom a parked run waits."""
    waiting = around.marks.waiting()
    calls = [call for _, call in around.open_calls() if call.id in waiting]
    decided = [call for call in calls if waiting[call.id] == "approval"]
    if decided:
        return _unapproved(around, decided)
    return _unanswered(around, calls)


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
    if leased:
        return Standstill(
            kind="executing_outside",
            reason=f"A process outside the workers executes its tool {leased[0].name}.",
            cure="Wait for that process; if it is lost, the next one that waits continues",
            seconds=around.seconds_since_event,
        )
    names = ", ".join(dict.fromkeys(call.name for call in calls)) or "its calls"
    return Standstill(
        kind="waits_for_output",
        reason=f"It waits for the output of {names} from outside{_why_outside(around, calls)}.",
        cure="Submit it (run.submit_tool_outputs), or wait for the run in a process that has the"
        " function (run.wait)",
        seconds=around.seconds_since_event,
    )


def _why_outside(around: Surroundings, calls: Sequence[ToolCall]) -> str:
    """Why no worker executes the first of these calls."""
    spec = around.spec(calls[0].name) if calls else None
    if spec is None or spec.is_external:
        return ""
    return f": {around.absence(spec)}"
