"""What a browser may see of a run's events.

A public event is made anew, of fields that are named here and values that are checked. So an event
or a field that this module does not know, of a later release perhaps, does not get out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Any, get_args

from threadmill_shared import hosted_tools
from threadmill_shared.events.decoder import DONE, Event
from threadmill_shared.records import lenient
from threadmill_shared.records.last_error import ErrorCode
from threadmill_shared.records.run import Status

Json = dict[str, Any]

_RUN, _STEP, _MESSAGE = "thread.run", "thread.run.step", "thread.message"
_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")
_CODES = get_args(ErrorCode)
_REASONS = ("max_turns", "max_completion_tokens", "max_prompt_tokens", "content_filter")
"""Why a run is incomplete."""


def public_events(events: Iterable[Event]) -> Iterator[Event]:
    """The public forms of events, with the events' numbers; of some there is none."""
    for event in events:
        make = _FORMS.get(event.event)
        if make is None:
            continue
        data = make(lenient.json_object(event.data))
        if data is not None:
            yield Event(event.id, event.event, data, event.at)


# ---- runs ------------------------------------------------------------------------------------


def _run(status: str, data: Json) -> Json:
    times = ("created_at", "started_at", "expires_at", "cancelled_at", "failed_at", "completed_at")
    return {
        "id": _text(data, "id"),
        "object": _RUN,
        "status": status,
        **_numbers(data, times),
        "usage": _usage(data),
        "last_error": _word(data, "last_error", "code", _CODES),
        "incomplete_details": _word(data, "incomplete_details", "detail", _REASONS),
    }


def _done(_data: Json) -> str:
    return "[DONE]"


# ---- messages --------------------------------------------------------------------------------


def _message(status: str, data: Json) -> Json | None:
    if data.get("role") != "assistant":
        return None
    parts = (_text_part(part) for part in lenient.objects(data.get("content")))
    return {
        "id": _text(data, "id"),
        "object": _MESSAGE,
        "run_id": _text(data, "run_id"),
        "role": "assistant",
        "status": status,
        **_numbers(data, ("created_at", "completed_at", "incomplete_at")),
        "content": [part for part in parts if part],
    }


def _message_delta(data: Json) -> Json | None:
    parts = [
        {"index": _index(part), **text}
        for part in lenient.objects(_object(data, "delta").get("content"))
        if (text := _text_part(part))
    ]
    if not parts:
        return None
    return {"id": _text(data, "id"), "object": f"{_MESSAGE}.delta", "delta": {"content": parts}}


def _text_part(part: Json) -> Json | None:
    """A part without what its text cites; None: it is not a text."""
    if part.get("type") != "text":
        return None
    return {"type": "text", "text": {"value": _text(_object(part, "text"), "value")}}


# ---- steps -----------------------------------------------------------------------------------


def _step(status: str, data: Json) -> Json | None:
    details = _step_details(_object(data, "step_details"))
    if details is None:
        return None
    times = ("created_at", "cancelled_at", "completed_at", "expired_at", "failed_at")
    return {
        "id": _text(data, "id"),
        "object": _STEP,
        "run_id": _text(data, "run_id"),
        "type": details["type"],
        "status": status,
        **_numbers(data, times),
        "step_details": details,
        "usage": _usage(data),
    }


def _step_details(details: Json) -> Json | None:
    if details.get("type") == "message_creation":
        message = {"message_id": _text(_object(details, "message_creation"), "message_id")}
        return {"type": "message_creation", "message_creation": message}
    if details.get("type") == "tool_calls":
        calls = (_call(call) for call in lenient.objects(details.get("tool_calls")))
        return {"type": "tool_calls", "tool_calls": [call for call in calls if call]}
    return None


def _step_delta(data: Json) -> Json | None:
    details = _object(_object(data, "delta"), "step_details")
    calls = [
        {"index": _index(call), **named}
        for call in lenient.objects(details.get("tool_calls"))
        if (named := _call(call))
    ]
    if not calls:
        return None
    delta = {"step_details": {"type": "tool_calls", "tool_calls": calls}}
    return {"id": _text(data, "id"), "object": f"{_STEP}.delta", "delta": delta}


def _call(call: Json) -> Json | None:
    """The tool that is called; None: that is not known, or was said before."""
    kind, name = call.get("type"), _text(_object(call, "function"), "name")
    if kind == "function" and name:
        return {"type": "function", "function": {"name": name}}
    return {"type": kind} if kind in hosted_tools.TYPES and "id" in call else None


# ---- values ----------------------------------------------------------------------------------


def _object(data: Json, name: str) -> Json:
    return lenient.json_object(data.get(name))


def _text(data: Json, name: str) -> str:
    value = data.get(name)
    return lenient.whole_characters(value) if isinstance(value, str) else ""


def _index(data: Json) -> int:
    return lenient.whole_number(data.get("index")) or 0


def _numbers(data: Json, names: Iterable[str]) -> Json:
    return {name: lenient.whole_number(data.get(name)) for name in names}


def _usage(data: Json) -> Json | None:
    return _numbers(_object(data, "usage"), _TOKENS) if data.get("usage") else None


def _word(data: Json, name: str, field: str, known: Collection[str]) -> Json | None:
    """An object that has one field of another, if its value is one of the known words."""
    value = _object(data, name).get(field)
    return {field: value} if isinstance(value, str) and value in known else None


_FORMS: dict[str, Callable[[Json], Json | str | None]] = {
    f"{_RUN}.created": partial(_run, "queued"),
    **{f"{_RUN}.{status}": partial(_run, status.value) for status in Status},
    f"{_STEP}.created": partial(_step, "in_progress"),
    **{
        f"{_STEP}.{status}": partial(_step, status)
        for status in ("in_progress", "completed", "cancelled", "failed", "expired")
    },
    f"{_STEP}.delta": _step_delta,
    f"{_MESSAGE}.created": partial(_message, "in_progress"),
    **{
        f"{_MESSAGE}.{status}": partial(_message, status)
        for status in ("in_progress", "completed", "incomplete")
    },
    f"{_MESSAGE}.delta": _message_delta,
    DONE: _done,
}
"""How each public event is made of the data that the log has."""
