"""Which texts of an event its public form has, whatever these texts are.

Each text of an event is replaced by the name of the place where it stands. So the public form says
itself where its texts come from, and nobody must guess which ones are secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from threadmill_shared.events.decoder import Event
from threadmill_shared.events.public import public_events

PUBLIC = {
    "/id",
    "/run_id",
    "/content/*/text/value",
    "/delta/content/*/text/value",
    "/step_details/message_creation/message_id",
    "/step_details/tool_calls/*/function/name",
    "/delta/step_details/tool_calls/*/function/name",
}
"""The places of the texts that a browser may see."""
WORDS = {
    *("thread.run", "thread.run.step", "thread.run.step.delta", "[DONE]"),
    *("thread.message", "thread.message.delta", "assistant", "text"),
    *("message_creation", "tool_calls", "function"),
    *("code_interpreter", "file_search", "web_search"),
    *("queued", "in_progress", "requires_action", "cancelling", "cancelled", "failed"),
    *("completed", "incomplete", "expired"),
}
"""Texts that are in public forms without being anybody's."""
NAMES = {
    *("id", "object", "type", "status", "role", "run_id", "index", "delta", "usage"),
    *("created_at", "started_at", "expires_at", "expired_at", "cancelled_at", "failed_at"),
    *("completed_at", "incomplete_at", "last_error", "code", "incomplete_details", "detail"),
    *("content", "text", "value", "step_details", "message_creation", "message_id"),
    *("tool_calls", "function", "name"),
    *("prompt_tokens", "completion_tokens", "total_tokens"),
}
_KINDS = ("type", "role")
"""Fields whose values decide what is public; these stay as they are."""


def private_parts(event: Event) -> Iterator[str]:
    """What the public form of an event has and must not have; nothing if all is well."""
    marked = replace(event, data=_marked(event.data))
    for found in public_events([marked]):
        if found.id != event.id or found.event != event.event:
            yield f"has become {found.event} {found.id}"
        for path, value in _leaves(found.data):
            unknown = set(path.split("/")[1:]) - NAMES - {"*"}
            if unknown:
                yield f"has the field {path}"
            if isinstance(value, str) and value and value not in PUBLIC | WORDS:
                yield f"shows {value} at {path}"


def _marked(value: Any, path: str = "") -> Any:
    if isinstance(value, dict):
        return {
            name: one if name in _KINDS else _marked(one, f"{path}/{name}")
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [_marked(one, f"{path}/*") for one in value]
    return path if isinstance(value, str) else value


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _leaves(one, f"{path}/{name}")
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, f"{path}/*")
    else:
        yield path, value


def sent(stream: str) -> list[tuple[str, str, str]]:
    """Id, name and data of the events of a stream, as browsers read it (the HTML standard's rules).

    What is no frame of three such lines is an error.
    """
    found = []
    for block in re.split(r"(?:\r\n|\n|\r){2}", stream)[:-1]:
        lines = dict(line.split(": ", 1) for line in re.split(r"\r\n|\n|\r", block))
        assert list(lines) == ["event", "id", "data"], lines
        found.append((lines["id"], lines["event"], lines["data"]))
    return found
