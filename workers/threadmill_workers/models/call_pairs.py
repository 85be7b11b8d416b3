"""Calls and their outputs as providers take them: in pairs, side by side, each pair with its id."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from threadmill_shared import ids
from threadmill_shared.records import lenient
from threadmill_shared.records.items import OPEN_CALL_OUTPUT, Item, ToolCallItem, ToolOutputItem

_SHORT = 9
"""Characters of an id of ours: Mistral takes no other number, and only letters and digits."""


def pair_calls(items: Sequence[Item]) -> list[Item]:
    """Put each call's output behind the calls of its turn, and give both an id that is fit.

    A call without an output gets one that says so; an output without a call is left out. The ids
    depend on nothing but the items, so that they are the same in every request.
    """
    outputs: defaultdict[str, list[ToolOutputItem]] = defaultdict(list)
    for item in reversed(items):
        if item["type"] == "tool_output":
            outputs[lenient.text(item["call_id"])].append(item)
    paired: list[Item] = []
    pending: list[Item] = []
    taken: set[str] = set()
    for item in items:
        if pending and _ends_calls(item, pending[-1]):
            paired += pending
            pending = []
        if item["type"] == "tool_call":
            id = _fit_id(item, taken)
            taken.add(id)
            paired.append({**item, "provider_id": id})
            pending.append(_output(item, outputs[lenient.text(item["id"])], id))
        elif item["type"] != "tool_output":
            paired.append(item)
    return paired + pending


def _ends_calls(item: Item, last_output: Item) -> bool:
    """Whether the calls of a turn end before this item."""
    if item["type"] in ("tool_output", "note", "hosted_call"):
        return True
    is_users = item["type"] == "message" and item["role"] == "user"
    return is_users or item.get("run_id") not in (None, last_output.get("run_id"))


def _fit_id(call: ToolCallItem, taken: Collection[str]) -> str:
    """The provider's id of a call; one of ours if that is not fit or is another call's."""
    id, number = lenient.text(call["provider_id"]), 0
    while id in taken or not ids.is_fit_call_id(id):
        id, number = _short(f"{lenient.text(call['id'])} {number}"), number + 1
    return id


def shorten_call_ids(messages: Iterable[dict[str, Any]]) -> None:
    """Replace all ids of calls in messages of Chat Completions by nine letters and digits."""
    for message in messages:
        for call in message.get("tool_calls", ()):
            call["id"] = _short(call["id"])
        if "tool_call_id" in message:
            message["tool_call_id"] = _short(message["tool_call_id"])


def _short(seed: str) -> str:
    return hashlib.sha256(seed.encode(errors="replace")).hexdigest()[:_SHORT]


def _output(call: ToolCallItem, stored: list[ToolOutputItem], id: str) -> ToolOutputItem:
    """The call's output; of calls that share an id, the first has the first."""
    if stored:
        return {**stored.pop(), "provider_id": id, "run_id": call["run_id"]}
    return {
        "type": "tool_output",
        "call_id": call["id"],
        "provider_id": id,
        "output": OPEN_CALL_OUTPUT,
        "failed": True,
        "run_id": call["run_id"],
    }
