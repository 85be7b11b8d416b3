"""Whether a run's events come in an order that every client of the Assistants API reads.

Whose rule it is stands beside each one, in brackets:

- `[node]`: `AssistantStream` of openai for Node 7.59.0 raises otherwise.
- `[py]`: `AssistantEventHandler` of openai for Python (1.21 to 3.57) raises otherwise, or its
  objects are wrong.
- `[api]`: the Assistants API's own streams were so, and programs rely on it.
- `[ours]`: our log promises it.

Events of our own (`threadmill.*`) may come anywhere between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from threadmill_shared.events.decoder import DONE, Event

Json = dict[str, Any]

_STEP_ENDS = ("completed", "failed", "cancelled", "expired")
_MESSAGE_ENDS = ("completed", "incomplete")
_RUN_ENDS = ("completed", "incomplete", "failed", "cancelled", "expired")
_FINAL = (*_RUN_ENDS, "requires_action")
"""What a client takes for the end of a stream."""
_PARKED = ("requires_action", "queued", "in_progress")
"""The statuses of a run whose calls wait for their outputs, or have just got them."""
_NEXT: dict[str | None, tuple[str, ...]] = {
    None: ("created",),
    "created": ("queued",),
    "queued": ("in_progress", "cancelled", "failed", "expired"),
    "in_progress": ("queued", "requires_action", "cancelling", *_RUN_ENDS),
    "requires_action": ("queued", "cancelled", "failed", "expired"),
    "cancelling": ("cancelled",),
}
"""The statuses that follow one. A run is `queued` again if it goes to another worker."""


def violations(events: Iterable[Event]) -> list[str]:
    """What is wrong with a run's events from its first one; nothing if they are in order."""
    order = EventOrder()
    return [found for event in events for found in order.take(event)]


class EventOrder:
    """The state of a client that reads one run's events."""

    def __init__(self, after: int = 0) -> None:
        """No event is read yet; the first one will be that after number `after`."""
        self._last = after
        self._is_whole = after == 0
        """Whether it reads the run from its beginning, so that it knows all steps and messages."""
        self._run: str | None = None
        """The status of the run."""
        self._has_ended = False
        self._steps: set[str] = set()
        """Those that were created."""
        self._step: Json | None = None
        """The one that is open, with what was added to it."""
        self._messages: set[str] = set()
        self._message: Json | None = None
        self._part: int | None = None
        """The part of a message that was added to last; the Python package never resets it."""
        self._ended_message: Json | None = None
        """The message whose step is to end next."""

    def take(self, event: Event) -> Iterator[str]:
        """What is wrong with the next event."""
        for found in self._check(event):
            yield f"event {event.id}, {event.event}: {found}"

    def _check(self, event: Event) -> Iterator[str]:
        if event.id != self._last + 1:
            if self._last or event.event not in map("thread.run.{}".format, _RUN_ENDS):
                yield f"follows event {self._last} [ours]"
            self._is_whole = False  # the log has expired; its end is kept
        self._last = event.id
        if self._has_ended:
            yield "follows `done` [api]"
        kind, _, what = event.event.rpartition(".")
        if self._ended_message and kind in ("thread.run", "thread.run.step", "thread.message"):
            yield from self._check_end_of_step(event.event, event.data)
        if event.event == DONE:
            yield from self._end(event.data)
        elif kind == "thread.run":
            yield from self._take_run(what, event.data)
        elif kind == "thread.run.step":
            yield from self._take_step(what, event.data)
        elif kind == "thread.message":
            yield from self._take_message(what, event.data)
        elif not event.event.startswith("threadmill."):
            yield "is no event of the Assistants API [api]"

    # ---- the run ---------------------------------------------------------------------------------

    def _take_run(self, status: str, run: Json) -> Iterator[str]:
        if (self._is_whole or self._run) and status not in _NEXT.get(self._run, ()):
            yield f"follows thread.run.{self._run} [api]"
        self._run = status
        if run["status"] != ("queued" if status == "created" else status):
            yield f"has the status {run['status']} [api]"
        if status in _RUN_ENDS and run["expires_at"] is not None:
            yield "has ended, and says when it expires [api]"
        if status in ("in_progress", "requires_action") and run["expires_at"] is None:
            yield "does not say when it expires [api]"
        if status in ("in_progress", "requires_action") and run["started_at"] is None:
            yield "does not say when it began [api]"
        if bool(run["required_action"]) != (status == "requires_action"):
            yield "has a `required_action` at the wrong time [api]"
        is_parked = self._step and self._step["type"] == "tool_calls" and status in _PARKED
        if status != "cancelling" and (self._message or (self._step and not is_parked)):
            yield "comes while a step or a message is open [api]"

    def _end(self, data: object) -> Iterator[str]:
        self._has_ended = True
        if self._run not in _RUN_ENDS and self._is_whole:
            yield "comes without a final event of the run [node]"
        if self._step or self._message:
            yield "comes while a step or a message is open [api]"
        if data != "[DONE]":
            yield f"has the data {data!r} [api]"

    # ---- steps -----------------------------------------------------------------------------------

    def _take_step(self, status: str, step: Json) -> Iterator[str]:
        if status == "created":
            yield from self._create_step(step)
            return
        if self._step is None and not self._is_whole and step["id"] not in self._steps:
            self._adopt_step(status, step)  # it was created before the first event that was read
        if self._step is None:
            yield "is of no open step [node, py]"
        elif step["id"] != self._step["id"]:
            yield f"is of {step['id']} while {self._step['id']} is open [node]"
        elif status == "delta":
            yield from self._extend_step(self._step, step["delta"])
        elif status == "in_progress":
            yield from _unlike(self._step, step, "the step as it was created [api]")
        elif status in _STEP_ENDS:
            yield from self._end_step(self._step, status, step)
        else:
            yield "is no event of a step [api]"

    def _create_step(self, step: Json) -> Iterator[str]:
        if self._step is not None:
            yield f"comes while {self._step['id']} is open [node]"
        if step["id"] in self._steps:
            yield f"repeats {step['id']} [node]"
        if step["status"] != "in_progress":
            yield f"has the status {step['status']} [api]"
        if step["step_details"].get("tool_calls"):
            yield "has calls, whose ids a delta will repeat [py, node]"
        if self._run not in ("in_progress", "cancelling", None):
            yield f"comes while the run is {self._run} [api]"
        self._steps.add(step["id"])
        self._step = _copy(step)

    def _adopt_step(self, status: str, step: Json) -> None:
        self._steps.add(step["id"])
        if status != "delta":
            self._step = {"is_adopted": True, **_copy(step)}
        else:
            details = {"type": "tool_calls"}
            self._step = {"is_adopted": True, "id": step["id"], "type": "tool_calls"}
            self._step["step_details"] = details

    def _extend_step(self, step: Json, delta: Json) -> Iterator[str]:
        if "id" in delta:
            yield "has an id in its delta [node]"
        if delta["step_details"]["type"] != step["type"]:
            yield "is of another type than its step [py, node]"
        if step.get("is_adopted"):
            return
        calls = step["step_details"].setdefault("tool_calls", [])
        for call in delta["step_details"]["tool_calls"]:
            yield from _bad_entry(call, calls)
            yield from _repeated(call, calls)
            yield from _merge_entry(calls, call)

    def _end_step(self, step: Json, status: str, ended: Json) -> Iterator[str]:
        self._step = None
        if ended["status"] != status or ended[f"{status}_at"] is None:
            yield "does not say that and when it has ended [api]"
        if self._message is not None:
            yield "comes before the message's end [api]"
        if step.get("is_adopted") or ended["type"] != "tool_calls":
            return
        whole = ended["step_details"]["tool_calls"]
        added = step["step_details"].get("tool_calls", [])
        if status != "completed" and len(added) < len(whole):
            yield "has calls that no delta has named [py]"
        yield from _unlike_calls(added, whole, is_abandoned=status != "completed")

    def _check_end_of_step(self, name: str, step: Json) -> Iterator[str]:
        message, self._ended_message = self._ended_message, None
        if not name.startswith("thread.run.step.") or name.rpartition(".")[2] not in _STEP_ENDS:
            yield "comes between the end of a message and that of its step [api]"
            return
        creation = step["step_details"].get("message_creation")
        if message and creation != {"message_id": message["id"]}:
            yield f"is not of the message that has ended, {message['id']} [api]"

    # ---- messages --------------------------------------------------------------------------------

    def _take_message(self, status: str, message: Json) -> Iterator[str]:
        if status == "created":
            yield from self._create_message(message)
            return
        if self._message is None and not self._is_whole and message["id"] not in self._messages:
            self._messages.add(message["id"])
            self._message = {"is_adopted": True, "id": message["id"], "content": []}
        if self._message is None:
            yield "is of no open message [node, py]"
        elif message["id"] != self._message["id"]:
            yield f"is of {message['id']} while {self._message['id']} is open [node]"
        elif status == "delta":
            yield from self._extend_message(self._message, message["delta"])
        elif status == "in_progress":
            yield from _unlike(self._message, message, "the message as it was created [api]")
        elif status in _MESSAGE_ENDS:
            yield from self._end_message(self._message, status, message)
        else:
            yield "is no event of a message [api]"

    def _create_message(self, message: Json) -> Iterator[str]:
        if self._message is not None:
            yield f"comes while {self._message['id']} is open [node]"
        if message["id"] in self._messages:
            yield f"repeats {message['id']} [node]"
        if message["status"] != "in_progress" or message["content"]:
            yield "is not at its beginning [api]"
        details = self._step["step_details"] if self._step else {}
        is_unknown = self._step is None and not self._is_whole
        if details.get("message_creation") != {"message_id": message["id"]} and not is_unknown:
            yield "is not of the open step [api]"
        self._messages.add(message["id"])
        self._message = _copy(message)

    def _extend_message(self, message: Json, delta: Json) -> Iterator[str]:
        if "id" in delta:
            yield "has an id in its delta [node]"
        if not delta["content"]:
            yield "adds nothing [api]"
        for part in delta["content"]:
            parts = message["content"]
            index = self._part = part.get("index", 0)
            if message.get("is_adopted"):
                continue
            is_new = index >= len(parts)
            yield from _bad_entry(part, parts)
            if part["type"] == "text" and is_new and part["text"].get("annotations") != []:
                yield "is the first of its text, and has no `annotations` [py, node]"
            if part["type"] == "text" and not is_new and part["text"].get("annotations") == []:
                yield "continues its text, and has `annotations` again [api]"
            if part["type"] != "text" and not is_new:
                yield "repeats a part [py, node]"
            yield from _merge_entry(parts, part)

    def _end_message(self, message: Json, status: str, ended: Json) -> Iterator[str]:
        self._message, self._ended_message = None, ended
        if ended["status"] != status or ended[f"{status}_at"] is None:
            yield "does not say that and when it has ended [api]"
        if (status == "incomplete") != bool(ended["incomplete_details"]):
            yield "says why it is incomplete at the wrong time [api]"
        if self._part is not None and self._part >= len(ended["content"]):
            yield f"lacks part {self._part}, for which Python asks [py]"
        if not message.get("is_adopted"):
            yield from _unlike_parts(message["content"], ended["content"])


# ---- deltas --------------------------------------------------------------------------------------


def _bad_entry(entry: Json, entries: list[Json]) -> Iterator[str]:
    if not isinstance(entry.get("index"), int) or not isinstance(entry.get("type"), str):
        yield "has an entry without index or type [py, node]"
    elif entry["index"] > len(entries):
        yield f"has index {entry['index']} before index {len(entries)} [py]"
    elif entry["index"] < len(entries) and entries[entry["index"]]["type"] != entry["type"]:
        yield "has another type than what it is added to [node]"


def _repeated(call: Json, calls: list[Json]) -> Iterator[str]:
    """Texts that are whole, and would be joined with themselves."""
    index = call.get("index")
    known = calls[index] if isinstance(index, int) and index < len(calls) else None
    if known is None:
        if not call.get("id"):
            yield "is the first of its call, and has no id [py, node]"
        return
    if call.get("id") and known.get("id"):
        yield "repeats its call's id [py, node]"
    old, new = known.get("function") or {}, call.get("function") or {}
    for name in ("name", "output"):
        if old.get(name) and new.get(name):
            yield f"repeats its call's {name} [py, node]"


def _merge_entry(entries: list[Json], entry: Json) -> Iterator[str]:
    index = entry.get("index")
    if not isinstance(index, int) or index > len(entries):
        return
    if index == len(entries):
        entries.append(_copy(entry))
    else:
        yield from _merge(entries[index], entry)


def _merge(whole: Json, delta: Json) -> Iterator[str]:
    """Add a delta, as both packages do it: texts are joined, numbers added [py, node]."""
    for name, new in delta.items():
        old = whole.get(name)
        if old is None or name in ("index", "type"):
            whole[name] = _copy(new)
        elif isinstance(old, dict) and isinstance(new, dict):
            yield from _merge(old, new)
        elif isinstance(old, list) and isinstance(new, list):
            for entry in new:
                if not isinstance(entry, dict) or not isinstance(entry.get("index"), int):
                    yield f"adds to `{name}` what has no index [py, node]"
                else:
                    yield from _merge_entry(old, entry)
        elif isinstance(old, str | int | float) and isinstance(new, str | int | float):
            whole[name] = old + new
        else:
            yield f"cannot be added to `{name}` [py, node]"


def _unlike(old: Json, new: Json, what: str) -> Iterator[str]:
    different = [name for name in new if old.get(name, new[name]) != new[name]]
    if different and not old.get("is_adopted"):
        yield f"differs in {', '.join(different)} from {what}"


def _unlike_parts(added: list[Json], whole: list[Json]) -> Iterator[str]:
    """What the deltas of a message have given a client, beside what the message is."""
    if len(added) > len(whole):
        yield "has fewer parts than its deltas [py]"
    for one, part in zip(added, whole, strict=False):
        if one["type"] != part["type"]:
            yield "has a part of another type than its deltas [py, node]"
        elif one["type"] == "text" and one["text"]["value"] != part["text"]["value"]:
            yield "has another text than its deltas [ours]"
    if not added:
        yield "has had no delta [py]"


def _unlike_calls(added: list[Json], whole: list[Json], *, is_abandoned: bool) -> Iterator[str]:
    """What the deltas of a step have given a client, beside what its calls are.

    The code of a call whose worker has died is in its deltas only.
    """
    for one, call in zip(added, whole, strict=False):
        for name in ("id", "type"):
            if one.get(name) != call[name]:
                yield f"has the {name} {call[name]}, and its deltas gave {one.get(name)} [ours]"
        old, new = one.get("function"), call.get("function")
        if old and new and old != new:
            yield "has another function call than its deltas [ours]"
        old, new = one.get("code_interpreter"), call.get("code_interpreter")
        if old and new and not is_abandoned and _code(old) != _code(new):
            yield "has other code or outputs than its deltas [ours]"


def _code(details: Json) -> tuple[str, list[Json]]:
    outputs = [{k: v for k, v in one.items() if k != "index"} for one in details["outputs"]]
    return details["input"], outputs


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(one) for name, one in value.items()}
    return [_copy(one) for one in value] if isinstance(value, list) else value
