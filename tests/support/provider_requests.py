"""What the provider saw of runs: the only witness that is neither producer nor worker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from threadmill.testing import Record


def thread_of(text: str) -> str:
    """The thread that a user's message names: its first word."""
    return text.partition(" ")[0]


def by_thread(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The requests of each thread, in the order of their arrival."""
    found: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[thread_of(record.user_text)].append(record)
    return dict(found)


def is_speaking(records: Sequence[Record]) -> bool:
    """Whether the newest request is in the middle of its answer; for `StandIn.wait_until`."""
    return bool(records) and len(records[-1].token_times) > 3


def overlaps(records: Iterable[Record]) -> list[str]:
    """Texts of requests that came before the former one of their thread had been answered."""
    return [
        later.user_text
        for requests in by_thread(records).values()
        for former, later in pairwise(requests)
        if former.ended_at is None or later.begun_at < former.ended_at
    ]


def said_to(record: Record) -> list[str]:
    """The messages of user and assistant that the request carried, oldest first."""
    return [_text(item["content"]) for item in record.items if item.get("role") in _SPEAKERS]


def tool_outputs(record: Record) -> list[str]:
    """The tools' outputs that the request carried, oldest first."""
    if record.api == "chat":
        return [_text(item["content"]) for item in record.items if item["role"] == "tool"]
    outputs = [item for item in record.items if item.get("type") == "function_call_output"]
    return [_text(item["output"]) for item in outputs]


_SPEAKERS = frozenset({"user", "assistant"})


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part["text"] for part in content)
