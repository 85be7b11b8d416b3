"""A run's events: compact in the store, the Assistants API's shapes for whoever reads them.

A log entry holds one or more *records*, short JSON arrays whose first element names their kind:

| record | events |
|---|---|
| `["r", status, times and results]` | `thread.run.<status>` |
| `["mb", message, step]` | step created, in progress; message created, in progress |
| `["d", message, [text, ...]]` | one `thread.message.delta` per text |
| `["me", message, step, text, usage, enclosed?]` | message and step completed |
| `["mi", message, step, text, reason, status, since]` | message incomplete, step ended |
| `["tb", step, [[call, name, arguments], ...]]` | step created, in progress, delta |
| `["to", step, index, call, output]` | `thread.run.step.delta` with one call's output |
| `["te", step, status, body]` | the step of tool calls ended |
| `["hb", step, call, kind]` | step of a hosted call created, in progress, delta |
| `["hd", step, [text, ...]]` | one `thread.run.step.delta` per piece of code |
| `["he", step, status, body]` | delta with what came of it, the step ended |
| `["mf", message, index, [file, ...]]` | one `thread.message.delta` per image |
| `["x", name, data]` | `threadmill.*`, for what the Assistants API has no name |
| `["done"]` | `done` |

Messages, steps and runs stand in a record by number; the reader knows the rest from the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from threadmill_shared import ids
from threadmill_shared.events.api_objects import RunObjects, function_call, hosted_call
from threadmill_shared.records import lenient
from threadmill_shared.records.items import image_part, message_content
from threadmill_shared.records.log import LogEntry
from threadmill_shared.records.run import RunRecord
from threadmill_shared.stored import unreadable

DONE = "done"
CODE = "code_interpreter"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run."""

    id: int
    """Its number in the run's log: 1, 2, 3, ..."""
    event: str
    """Its name, as in the Assistants API's streams, or `threadmill.*`."""
    data: Any
    """The object it is about, as plain JSON; `[DONE]` for `done`."""


class LogDecoder:
    """Turns the entries of one run's log into events, without looking anything up."""

    def __init__(self, run: RunRecord) -> None:
        self._run = run
        self._objects = RunObjects(run)
        self._kinds: dict[str, Callable[..., Iterator[tuple[str, Any]]]] = {
            "r": self._status,
            "mb": self._message_begins,
            "d": self._deltas,
            "me": self._message_ends,
            "mi": self._message_incomplete,
            "tb": self._tools_begin,
            "to": self._tool_output,
            "te": self._tools_end,
            "hb": self._hosted_begins,
            "hd": self._hosted_code,
            "he": self._hosted_ends,
            "mf": self._message_images,
            "x": self._own,
            "done": self._done,
        }

    def events(self, entry: LogEntry, after: int = 0) -> Iterator[Event]:
        """The entry's events whose numbers are greater than `after`.

        Raises:
            StoreIncompatible: a later release has written it.
        """
        number = entry.first
        for record in entry.records:
            if record[0] not in self._kinds:
                raise unreadable(f"The log of {self._run.id}", [record[0]])
            for name, data in self._kinds[record[0]](entry, *record[1:]):
                if number > after:
                    yield Event(number, name, data)
                number += 1

    def _status(self, entry: LogEntry, status: str, results: dict[str, Any]) -> Iterator[Any]:
        name = "created" if status == "created" else status
        yield f"thread.run.{name}", self._objects.run(status, results, entry.at)

    def _message_begins(self, entry: LogEntry, message: int, step: int) -> Iterator[Any]:
        of_step = self._objects.step(step, {"message": message}, "in_progress", entry.at, None)
        yield "thread.run.step.created", of_step
        yield "thread.run.step.in_progress", of_step
        of_message = self._objects.message(message, "in_progress", [], entry.at)
        yield "thread.message.created", of_message
        yield "thread.message.in_progress", of_message

    def _deltas(self, _entry: LogEntry, message: int, texts: list[str]) -> Iterator[Any]:
        message_id = ids.run_message_id(self._run.id, message)
        for text in texts:
            part = {"index": 0, "type": "text", "text": {"value": text}}
            data = {
                "id": message_id,
                "object": "thread.message.delta",
                "delta": {"content": [part]},
            }
            yield "thread.message.delta", data

    def _message_ends(
        self,
        entry: LogEntry,
        message: int,
        step: int,
        text: str,
        usage: Any,
        enclosed: Mapping[str, Any] | None = None,
    ) -> Iterator[Any]:
        enclosed = enclosed or {}
        done = {
            "completed_at": entry.at // 1000,
            "attachments": enclosed.get("attachments", []),
        }
        content = message_content(text, enclosed)
        yield (
            "thread.message.completed",
            self._objects.message(message, "completed", content, entry.began) | done,
        )
        body = {"message": message, "usage": usage}
        yield (
            "thread.run.step.completed",
            self._objects.step(step, body, "completed", entry.began, entry.at),
        )

    def _message_incomplete(
        self, entry: LogEntry, message: int, step: int, text: str, reason: str, status: str, *_: Any
    ) -> Iterator[Any]:
        ended = {
            "incomplete_at": entry.at // 1000,
            "incomplete_details": {"reason": reason},
        }
        content = message_content(text or "", {})
        yield (
            "thread.message.incomplete",
            self._objects.message(message, "incomplete", content, entry.began) | ended,
        )
        body = {"message": message}
        yield (
            f"thread.run.step.{status}",
            self._objects.step(step, body, status, entry.began, entry.at),
        )

    def _tools_begin(self, entry: LogEntry, step: int, calls: list[list[str]]) -> Iterator[Any]:
        of_step = self._objects.step(step, {"calls": []}, "in_progress", entry.at, None)
        yield "thread.run.step.created", of_step
        yield "thread.run.step.in_progress", of_step
        yield (
            "thread.run.step.delta",
            self._objects.step_delta(
                step,
                [
                    function_call(id, name, arguments, output=None) | {"index": at}
                    for at, (id, name, arguments) in enumerate(calls)
                ],
            ),
        )

    def _tool_output(
        self, _entry: LogEntry, step: int, index: int, _call: str, output: str
    ) -> Iterator[Any]:
        # Without the call's id: whoever puts deltas together would continue it, as any other text.
        made = {"index": index, "type": "function", "function": {"output": output}}
        yield "thread.run.step.delta", self._objects.step_delta(step, [made])

    def _tools_end(
        self, entry: LogEntry, step: int, status: str, body: dict[str, Any]
    ) -> Iterator[Any]:
        yield (
            f"thread.run.step.{status}",
            self._objects.step(step, body, status, entry.began, entry.at),
        )

    def _hosted_begins(self, entry: LogEntry, step: int, call: str, kind: str) -> Iterator[Any]:
        details: dict[str, Any] = {"input": "", "outputs": []} if kind == CODE else {}
        of_step = self._objects.step(
            step, {"hosted": [call, kind, details]}, "in_progress", entry.at, None
        )
        yield "thread.run.step.created", of_step
        yield "thread.run.step.in_progress", of_step
        made = {"index": 0, **hosted_call(call, kind, details)}
        yield "thread.run.step.delta", self._objects.step_delta(step, [made])

    def _hosted_code(self, _entry: LogEntry, step: int, texts: list[str]) -> Iterator[Any]:
        for text in texts:
            made = {"index": 0, "type": CODE, CODE: {"input": text}}
            yield "thread.run.step.delta", self._objects.step_delta(step, [made])

    def _hosted_ends(
        self, entry: LogEntry, step: int, status: str, body: dict[str, Any]
    ) -> Iterator[Any]:
        _, kind, details = body["hosted"]
        if kind == CODE:
            outputs = lenient.objects(details.get("outputs"))
            details = {"outputs": [{"index": at, **one} for at, one in enumerate(outputs)]}
        made = {"index": 0, "type": kind, kind: details}
        yield "thread.run.step.delta", self._objects.step_delta(step, [made])
        yield (
            f"thread.run.step.{status}",
            self._objects.step(step, body, status, entry.began, entry.at),
        )

    def _message_images(
        self, _entry: LogEntry, message: int, first: int, files: list[str]
    ) -> Iterator[Any]:
        for index, file in enumerate(files, first):
            data = {
                "id": ids.run_message_id(self._run.id, message),
                "object": "thread.message.delta",
                "delta": {"content": [{"index": index, **image_part(file)}]},
            }
            yield "thread.message.delta", data

    def _own(self, _entry: LogEntry, name: str, data: Any) -> Iterator[Any]:
        yield name, data

    def _done(self, _entry: LogEntry) -> Iterator[Any]:
        yield DONE, "[DONE]"
