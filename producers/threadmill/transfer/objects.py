"""Stored objects in the Assistants API's shapes; other data is under `threadmill`."""

from __future__ import annotations

from typing import Any

from threadmill_shared.events.api_objects import run_object
from threadmill_shared.hosted_tools import hosted_api_form, tool_resources
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.items import Item
from threadmill_shared.records.objects import Message, Step, ToolCall
from threadmill_shared.records.run import RunRecord
from threadmill_shared.records.thread import ThreadRecord

Json = dict[str, Any]


def assistant(definition: Definition) -> Json:
    """An assistant."""
    return {
        "id": definition.id,
        "object": "assistant",
        "created_at": definition.created_at,
        "name": definition.given_name(),
        "description": definition.description,
        "model": definition.model,
        "instructions": definition.given_instructions(),
        "tools": [tool.api_form() for tool in definition.tools]
        + [hosted_api_form(tool) for tool in definition.hosted],
        "tool_resources": tool_resources(definition.hosted),
        "metadata": definition.metadata,
        "response_format": definition.response_format or "auto",
        "temperature": definition.temperature,
        "top_p": definition.top_p,
        "reasoning_effort": definition.reasoning_effort,
        "threadmill": definition.model_dump(mode="json"),
    }


def thread(record: ThreadRecord, key: str | None) -> Json:
    """A thread; `key` is the caller's name for it, if the record does not hold one."""
    known = record.key or key
    return {
        "id": record.id,
        "object": "thread",
        "created_at": record.created_at // 1000,
        "metadata": record.metadata,
        "tool_resources": record.tool_resources,
        "threadmill": {"at": record.created_at} | ({"key": known} if known else {}),
    }


def item(thread_id: str, item: Item, at: int, position: int) -> Json:
    """The item at a position of a thread; `at` is its time in milliseconds."""
    extra: Json = {"at": at, "position": position}
    if item["type"] != "message":
        return {
            "object": "threadmill.item",
            "thread_id": thread_id,
            "created_at": at // 1000,
            "item": item,
            "threadmill": extra,
        }
    message = Message.read(thread_id, item, at).model_dump(mode="json")
    name, reason = message.pop("assistant_name"), message.pop("incomplete_reason")
    if item["role"] == "user" and item["run_id"]:
        extra["run_id"] = item["run_id"]
    return {
        **message,
        "object": "thread.message",
        "incomplete_details": {"reason": reason} if reason else None,
        "threadmill": extra | ({"assistant_name": name} if name else {}),
    }


def run(record: RunRecord) -> Json:
    """A run, with its caller's context and its tools' data."""
    return run_object(record) | {
        "threadmill": {
            "context": record.context,
            "data": record.data,
            "assistant_name": record.request.assistant_name,
            "assistant_version": record.request.assistant_version,
            "attempts": record.attempts,
            "worker": record.worker,
            "waiting_message": record.waiting_message,
            "waiting_messages": list(record.waiting_messages),
        }
    }


def step(step: Step, record: RunRecord) -> Json:
    """A step of a run."""
    if step.type == "message_creation":
        details: Json = {"message_creation": {"message_id": step.message_id}}
    else:
        details = {"tool_calls": [_call(call) for call in step.tool_calls]}
    return {
        "id": step.id,
        "object": "thread.run.step",
        "created_at": step.created_at,
        "run_id": step.run_id,
        "thread_id": record.thread_id,
        "assistant_id": record.request.assistant_id,
        "type": step.type,
        "status": step.status,
        "ended_at": step.ended_at,
        "step_details": {"type": step.type, **details},
        "usage": step.usage.model_dump() if step.usage else None,
    }


def _call(call: ToolCall) -> Json:
    if call.type == "code_interpreter" and call.code_interpreter is not None:
        return {"id": call.id, "type": call.type, call.type: call.code_interpreter.model_dump()}
    if call.type == "file_search":
        return {"id": call.id, "type": call.type, call.type: call.file_search or {}}
    if call.type == "web_search":
        return {"id": call.id, "type": call.type, call.type: call.web_search or {}}
    function = {"name": call.name, "arguments": call.arguments, "output": call.output}
    return {"id": call.id, "type": "function", "function": function}
