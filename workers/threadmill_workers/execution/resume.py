"""Finds the point from which a run continues that an earlier attempt has begun."""

from __future__ import annotations

from collections.abc import Collection

from threadmill_shared.records import lenient
from threadmill_shared.store.call_marks import CallMarks
from threadmill_shared.tools.runner import ToolResult
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.history import History
from threadmill_workers.execution.turn import OpenCall, Reply, stored_usage


async def find_unfinished_turn(held: HeldRun, history: History) -> Reply | None:
    """Find the turn of which calls have no output; None if there is none.

    In a parked run it continues with its step. Any other step was closed when its worker was lost:
    what is left of the turn needs another step, and the number of this one is -1.
    """
    record = held.record
    if record.attempts < 2:
        return None
    marks = await held.call_marks()
    if record.open_step is not None:
        return await _parked_turn(held, history, record.open_step, marks)
    calls = await _stored_calls(history, marks)
    return Reply(calls=calls) if calls else None


async def _parked_turn(held: HeldRun, history: History, step: int, marks: CallMarks) -> Reply:
    """The turn for which the run was parked; some of its calls may have their outputs."""
    body = await held.open_step_body()
    made = {id: output for id, _, _, output in body["calls"]}
    failures = lenient.json_object(body.get("failures"))
    results = {
        id: ToolResult(output, failed=id in body["failed"], failure=failures.get(id))
        for id, output in made.items()
        if output is not None
    }
    calls = await _stored_calls(history, marks, made)
    return Reply(calls=calls, results=results, step=step, usage=stored_usage(body["usage"]))


async def _stored_calls(
    history: History, marks: CallMarks, wanted: Collection[str] = ()
) -> tuple[OpenCall, ...]:
    """Those of the thread's calls that are wanted, or have no output."""
    return tuple(
        OpenCall(
            id=item["id"],
            name=lenient.text(item["name"]),
            arguments=lenient.text(item["arguments"]),
            provider_id=lenient.text(item["provider_id"]),
            is_begun=marks.is_begun(item["id"]),
            is_approved=marks.is_approved(item["id"]),
        )
        for item in await history.items()
        if item["type"] == "tool_call" and (item["id"] in wanted or marks.is_open(item["id"]))
    )
