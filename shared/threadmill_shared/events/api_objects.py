"""The Assistants API's objects, as the events of a run carry them."""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from threadmill_shared import ids
from threadmill_shared.hosted_tools import hosted_api_form
from threadmill_shared.records import lenient
from threadmill_shared.records.definition import RunSnapshot
from threadmill_shared.records.run import RunRecord


class RunObjects:
    """Makes the objects that the events of one run are about."""

    def __init__(self, run: RunRecord) -> None:
        """The record has the fields that all of them share."""
        self._run_id, self._thread_id = run.id, run.thread_id
        self._assistant_id = run.request.assistant_id
        self._has_ended = run.status.is_terminal
        self._base = marshal.dumps(_own(run)), _once(marshal.dumps(requested(run.request)))
        """As bytes: whoever gets an event may change its data, however deep, for nobody else. Apart
        from the run's own, they are the same for all runs that were requested so."""

    def run(self, status: str, results: dict[str, Any], at: int) -> dict[str, Any]:
        """The run in the event of this status; `at` is its time in milliseconds."""
        own, requested = map(marshal.loads, self._base)
        base: dict[str, Any] = own | requested
        # A record that was read after the end may have later ones.
        if "metadata" in results and not self._has_ended:
            base["metadata"] = results["metadata"]
        return base | run_progress(status, results, at)

    def message(
        self, message: int, status: str, content: list[dict[str, Any]], began: int
    ) -> dict[str, Any]:
        """A message; its number, and milliseconds since when."""
        return {
            "id": ids.run_message_id(self._run_id, message),
            "object": "thread.message",
            "created_at": began // 1000,
            "thread_id": self._thread_id,
            "run_id": self._run_id,
            "assistant_id": self._assistant_id,
            "role": "assistant",
            "status": status,
            "completed_at": None,
            "incomplete_at": None,
            "incomplete_details": None,
            "content": content,
            "attachments": [],
            "metadata": {},
        }

    def step(
        self, step: int, body: dict[str, Any], status: str, began: int, ended: int | None
    ) -> dict[str, Any]:
        """A step, with its stored body; from when to when in milliseconds."""
        found: dict[str, Any] = {
            "id": ids.step_id(self._run_id, step),
            "object": "thread.run.step",
            "created_at": began // 1000,
            "run_id": self._run_id,
            "thread_id": self._thread_id,
            "assistant_id": self._assistant_id,
            "status": status,
            "cancelled_at": None,
            "completed_at": None,
            "expired_at": None,
            "failed_at": None,
            "last_error": None,
            "usage": body.get("usage"),
            "metadata": {},
            **step_details(self._run_id, body),
        }
        if ended is not None:
            found[f"{status}_at"] = ended // 1000
        return found

    def step_delta(self, step: int, calls: list[dict[str, Any]]) -> dict[str, Any]:
        """The changes of a step of tool calls."""
        return {
            "id": ids.step_id(self._run_id, step),
            "object": "thread.run.step.delta",
            "delta": {"step_details": {"type": "tool_calls", "tool_calls": calls}},
        }


def function_call(id: str, name: object, arguments: object, **more: Any) -> dict[str, Any]:
    """A call of a function, with the name and the arguments that a model wrote."""
    function = {"name": lenient.text(name), "arguments": lenient.text(arguments), **more}
    return {"id": id, "type": "function", "function": function}


def hosted_call(id: str, kind: str, details: dict[str, Any]) -> dict[str, Any]:
    """A call that the provider executes itself."""
    return {"id": id, "type": kind, kind: details}


def step_details(run_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """What a step did, from its stored body."""
    if "message" in body:
        creation = {"message_id": ids.run_message_id(run_id, body["message"])}
        details: dict[str, Any] = {"type": "message_creation", "message_creation": creation}
    elif "hosted" in body:
        details = {"type": "tool_calls", "tool_calls": [hosted_call(*body["hosted"])]}
    else:
        calls = [
            function_call(id, name, arguments, output=output)
            for id, name, arguments, output in body["calls"]
        ]
        details = {"type": "tool_calls", "tool_calls": calls}
    return {"type": details["type"], "step_details": details}


@lru_cache(maxsize=64)
def _once(value: bytes) -> bytes:
    """The bytes that were given first of these: instructions and tools may be long."""
    return value


def _own(run: RunRecord) -> dict[str, Any]:
    return {
        "id": run.id,
        "object": "thread.run",
        "created_at": run.created_at // 1000,
        "thread_id": run.thread_id,
        "metadata": run.metadata,
        "required_action": None,
    }


def requested(request: RunSnapshot) -> dict[str, Any]:
    """What a run's object has of its request."""
    options = request.options
    return {
        "assistant_id": request.assistant_id,
        "model": request.model,
        "instructions": request.instructions,
        "tools": [_with_strict(tool.api_form()) for tool in request.tools]
        + [hosted_api_form(tool) for tool in request.hosted],
        "temperature": options.temperature,
        "top_p": options.top_p,
        "max_completion_tokens": options.max_completion_tokens,
        "max_prompt_tokens": options.max_prompt_tokens,
        "truncation_strategy": {
            "type": "auto",
            "last_messages": None,
            **(options.truncation_strategy or {}),
        },
        "tool_choice": options.tool_choice or "auto",
        "parallel_tool_calls": options.parallel_tool_calls is not False,
        "response_format": options.response_format or "auto",
    }


def _with_strict(tool: dict[str, Any]) -> dict[str, Any]:
    return tool | {"function": {"strict": False} | tool["function"]}


def run_object(run: RunRecord) -> dict[str, Any]:
    """The Assistants API's object of a run as its record has it."""
    results = {
        "started_at": run.started_at,
        "expires_at": None if run.status.is_terminal else run.deadline,
        "usage": run.usage,
        "last_error": run.last_error and run.last_error.model_dump(),
        "reason": run.reason,
    }
    return RunObjects(run).run(run.status, results, run.ended_at or run.created_at)


_ENDS = {
    "cancelled": "cancelled_at",
    "failed": "failed_at",
    "completed": "completed_at",
    "incomplete": "completed_at",
}


def run_progress(status: str, results: dict[str, Any], at: int) -> dict[str, Any]:
    """What a run's object has of its status; `at` is its time in milliseconds."""

    def seconds(name: str) -> int | None:
        return results[name] // 1000 if results.get(name) else None

    progress: dict[str, Any] = {
        "status": "queued" if status == "created" else status,
        "started_at": seconds("started_at"),
        "expires_at": seconds("expires_at"),
        "cancelled_at": None,
        "completed_at": None,
        "failed_at": None,
        "usage": results.get("usage"),
        "last_error": results.get("last_error"),
        "incomplete_details": _incomplete_details(results.get("reason")),
    }
    if "required" in results:
        progress["required_action"] = _required_action(results["required"])
    if status in _ENDS:
        progress[_ENDS[status]] = at // 1000
    return progress


def _required_action(required: Sequence[Sequence[str]]) -> dict[str, Any]:
    calls = [
        function_call(id, name, arguments) | {"waits_for": waits_for}
        for id, name, arguments, waits_for in required
    ]
    return {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}


def _incomplete_details(reason: str | None) -> dict[str, Any] | None:
    # The Assistants API has two reasons, and none is null there; others have a name of their own.
    if reason is None:
        return None
    known = reason in ("max_completion_tokens", "max_prompt_tokens")
    return {"reason": reason, "detail": reason} if known else {"detail": reason}
