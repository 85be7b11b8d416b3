"""What one turn of a run is made of: a model's reply, and the tool calls that it asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from threadmill_shared.model import FinishReason, OpaqueFieldsReceived, Usage
from threadmill_shared.records import lenient
from threadmill_shared.records.items import CHAT_FIELDS, ReasoningItem, ToolOutputItem
from threadmill_shared.store.batch import Batch
from threadmill_shared.tools.runner import ToolResult


@dataclass(frozen=True)
class OpenCall:
    """A tool call that was stored and has no output yet."""

    id: str
    name: str
    arguments: str
    provider_id: str
    is_begun: bool = False
    """Whether an earlier attempt has begun it."""
    is_approved: bool = False

    def output(self, text: str, *, failed: bool, run_id: str) -> ToolOutputItem:
        """The item that answers this call."""
        return {
            "type": "tool_output",
            "call_id": self.id,
            "provider_id": self.provider_id,
            "output": text,
            "failed": failed,
            "run_id": run_id,
        }


@dataclass
class Reply:
    """What a model said in one turn."""

    stop: FinishReason = FinishReason.END
    usage: Usage = field(default_factory=Usage)
    text: str = ""
    """What its message says."""
    calls: tuple[OpenCall, ...] = ()
    results: dict[str, ToolResult] = field(default_factory=dict)
    """What calls have given, by our id."""
    step: int = -1
    """Number of the step of the calls."""
    batch: Batch = field(default_factory=Batch)
    """What stores the turn; not yet written."""


def calls_body(
    calls: Sequence[OpenCall], results: Mapping[str, ToolResult], usage: dict[str, int] | None
) -> dict[str, Any]:
    """A step of tool calls, as it is stored and logged; a call without an output has None."""
    outputs = {id: result.output for id, result in results.items()}
    made = [[call.id, call.name, call.arguments, outputs.get(call.id)] for call in calls]
    failed = [id for id, result in results.items() if result.failed]
    failures = {id: result.failure for id, result in results.items() if result.failure}
    body = {"type": "tool_calls", "calls": made, "failed": failed, "usage": usage}
    return body | {"failures": failures} if failures else body


def stored_usage(fields: Mapping[str, Any] | None) -> Usage:
    """Tokens as they were stored; what another release has stored besides is left out."""
    known = fields or {}
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return Usage(*(lenient.whole_number(known.get(name)) or 0 for name in names))


def usage_fields(usage: Usage) -> dict[str, int]:
    """Tokens, as they are stored and logged."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def fields_item(fields: OpaqueFieldsReceived, model: str, run_id: str) -> ReasoningItem:
    """The item that has them; it stands before the items of its turn.

    Its model is in its data: earlier releases send the data of any item that has the model's name,
    also to the other API, which would refuse it.
    """
    data: dict[str, Any] = {"type": CHAT_FIELDS, "model": model, "message": fields.message}
    if any(fields.calls):
        data["calls"] = list(fields.calls)
    return {"type": "reasoning", "model": "", "data": data, "run_id": run_id}
