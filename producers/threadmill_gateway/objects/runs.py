"""Runs and their steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from threadmill_shared.events.api_objects import function_call, run_object
from threadmill_shared.records.changes import ParkedCall
from threadmill_shared.records.objects import Step, ToolCall
from threadmill_shared.records.run import RunRecord

_TIMES = ("cancelled", "failed", "completed", "expired")


def run(
    record: RunRecord,
    parked: Sequence[ParkedCall],
    thread_id: str,
    *,
    has_approvals: bool = False,
) -> dict[str, Any]:
    """A run of the thread that the client knows by this id, and the calls that wait.

    Args:
        record: the run.
        parked: the calls that wait for outputs or approvals.
        thread_id: its thread, as the client knows it.
        has_approvals: whether the client is told of those that wait for approvals.
    """
    found = run_object(record) | {
        "thread_id": thread_id,
        "required_action": required_action(parked, has_approvals=has_approvals),
    }
    # Another status: nobody who polls it can decide about a call.
    waits = found["status"] == "requires_action"
    return found | {"status": "in_progress"} if waits and not found["required_action"] else found


def required_action(
    parked: Sequence[ParkedCall], *, has_approvals: bool = False
) -> dict[str, Any] | None:
    """What a run waits for from the client; None: nothing."""
    calls = [
        function_call(call.id, call.name, call.arguments)
        | ({"waits_for": call.waits_for} if has_approvals else {})
        for call in parked
        if has_approvals or call.waits_for == "output"
    ]
    if not calls:
        return None
    return {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}


def step(found: Step, record: RunRecord, thread_id: str, *, has_contents: bool) -> dict[str, Any]:
    """A step; with or without the contents of what a file search has found, which are large."""
    times = {f"{status}_at": None for status in _TIMES}
    if found.status in _TIMES:
        times[f"{found.status}_at"] = found.ended_at  # type: ignore[assignment]
    if found.type == "message_creation":
        details: dict[str, Any] = {"message_creation": {"message_id": found.message_id}}
    else:
        calls = [_call(call, has_contents=has_contents) for call in found.tool_calls]
        details = {"tool_calls": calls}
    return {
        "id": found.id,
        "object": "thread.run.step",
        "created_at": found.created_at,
        "run_id": found.run_id,
        "thread_id": thread_id,
        "assistant_id": record.request.assistant_id,
        "type": found.type,
        "status": found.status,
        "step_details": {"type": found.type, **details},
        "last_error": None,
        "metadata": {},
        "usage": found.usage.model_dump() if found.usage else None,
        **times,
    }


def _call(call: ToolCall, *, has_contents: bool) -> dict[str, Any]:
    match call.type:
        case "function":
            function = {"name": call.name, "arguments": call.arguments, "output": call.output}
            return {"id": call.id, "type": "function", "function": function}
        case "code_interpreter":
            details: Any = call.code_interpreter and call.code_interpreter.model_dump()
        case "file_search":
            details = _search(call.file_search or {}, has_contents=has_contents)
        case "web_search":
            details = call.web_search
    return {"id": call.id, "type": call.type, call.type: details or {}}


def _search(details: dict[str, Any], *, has_contents: bool) -> dict[str, Any]:
    results = [
        one if has_contents else {name: one[name] for name in one if name != "content"}
        for one in details.get("results") or ()
    ]
    return {"results": results} if results else {}
