"""A run's events: compact in the store, in the Assistants API's shapes for readers.

A log entry holds one or more records (`records/log.py`); each represents one or more events.
Messages, steps and runs are in a record by number; the decoder knows the rest from the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic_core import from_json

from threadmill_shared import ids
from threadmill_shared.events import frames
from threadmill_shared.events.api_objects import RunObjects, function_call, hosted_call
from threadmill_shared.records import lenient, log
from threadmill_shared.records.items import image_part, message_content
from threadmill_shared.records.run import RunRecord, field_map
from threadmill_shared.store.log_read import RawEntry
from threadmill_shared.stored import unreadable

DONE = "done"
CODE = "code_interpreter"
_PLAIN = 2
"""Fields of an entry that has nothing but its records and its time."""

Named = tuple[str, Any]
"""An event's name and data."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run."""

    id: int
    """Its number in the run's log: 1, 2, 3, ..."""
    event: str
    """Its name, as in the Assistants API's streams, or `threadmill.*`."""
    data: Any
    """The object it is about, as plain JSON; `[DONE]` for `done`."""
    at: float | None = field(default=None, compare=False)
    """When it was stored, in seconds since the epoch by the server's clock."""

    def sse(self) -> str:
        """The event as a server-sent event: one frame with its number, its name and its data.

        `EventSource` repeats the number in `Last-Event-ID` when it connects again: follow the run
        after it. What browsers may not see is left out by `run.events(public=True)`, not here.
        """
        return frames.frame(self.event, self.data, self.id).decode()


class LogDecoder:
    """Converts the entries of one run's log to events, without any lookup."""

    def __init__(self, run: RunRecord) -> None:
        self._run_id = run.id
        self._objects = RunObjects(run)
        self._message_ids = ids.run_messages_prefix(run.id)
        """What the ids of the run's messages begin with."""
        self._number = 0
        """Of the first event of the record that is being converted."""
        self._first_deltas: dict[int, int] = {}
        """The numbers of the events with which the texts of messages begin."""

    def events(self, entry: log.LogEntry, after: int = 0) -> Iterator[Event]:
        """The entry's events whose numbers are greater than `after`.

        Raises:
            StoreIncompatible: a later release has written it.
        """
        number, times = entry.first, entry.times()
        for record in entry.records:
            self._number = number
            for name, data in self._DECODERS[type(record)](self, entry, record):
                at = next(times) / 1000
                if number > after:
                    yield Event(number, name, data, at)
                number += 1

    def deltas(self, found: Sequence[RawEntry], after: int) -> list[Event] | None:
        """The events of entries that only continue a message; None: they hold something else.

        They are those that `events` gives. Nearly all entries of a log are such, with one token
        each, and this takes a third of the time.
        """
        events: list[Event] = []
        for id, fields in found:
            read = field_map(fields)
            if len(read) != _PLAIN or not read["e"].startswith('["d",'):
                return None
            (_, message, texts), *others = from_json(f"[{read['e']}]")
            number, at = int(id.partition("-")[0]) - len(texts) + 1, int(read["t"]) / 1000
            if others or number <= after or number == self._first_deltas.get(message):
                return None
            for value in texts:
                part = {"index": 0, "type": "text", "text": {"value": value}}
                events.append(Event(number, *self._message_delta(message, part), at))
                number += 1
        return events

    def _refuse_unknown(self, _entry: log.LogEntry, record: log.UnknownRecord) -> Iterator[Named]:
        raise unreadable(f"The log of {self._run_id}", [record.tag])

    # ---- runs and messages -----------------------------------------------------------------------

    def _status_changed(self, entry: log.LogEntry, record: log.StatusChanged) -> Iterator[Named]:
        run = self._objects.run(record.status, record.results, entry.at)
        yield f"thread.run.{record.status}", run

    def _message_begun(self, entry: log.LogEntry, record: log.MessageBegun) -> Iterator[Named]:
        # Each reader has read this before it reads the first delta: it begins with the entry that
        # has the last event that it knows.
        self._first_deltas[record.message] = self._number + log.count(record)
        body = {"message": record.message}
        yield from self._step_created(entry, record.step, body)
        message = self._objects.message(record.message, "in_progress", [], entry.at)
        yield "thread.message.created", message
        yield "thread.message.in_progress", message

    def _message_deltas(self, _entry: log.LogEntry, record: log.MessageDeltas) -> Iterator[Named]:
        is_first = self._first_deltas.get(record.message) == self._number
        for value in record.texts:
            text = {"value": value, "annotations": []} if is_first else {"value": value}
            is_first = False
            yield self._message_delta(record.message, {"index": 0, "type": "text", "text": text})

    def _message_images(self, _entry: log.LogEntry, record: log.MessageImages) -> Iterator[Named]:
        for index, file in enumerate(record.files, record.first):
            yield self._message_delta(record.message, {"index": index, **image_part(file)})

    def _message_delta(self, message: int, part: log.Json) -> Named:
        data = {
            "id": f"{self._message_ids}{message}",
            "object": "thread.message.delta",
            "delta": {"content": [part]},
        }
        return "thread.message.delta", data

    def _message_completed(
        self, entry: log.LogEntry, record: log.MessageCompleted
    ) -> Iterator[Named]:
        enclosed = record.enclosed or {}
        done = {
            "completed_at": entry.at // 1000,
            "attachments": enclosed.get("attachments", []),
        }
        content = message_content(record.text, enclosed)
        message = self._objects.message(record.message, "completed", content, entry.began)
        yield "thread.message.completed", message | done
        body = {"message": record.message, "usage": record.usage}
        yield self._step_ended(entry, record.step, "completed", body)

    def _message_incomplete(
        self, entry: log.LogEntry, record: log.MessageIncomplete
    ) -> Iterator[Named]:
        enclosed = log.enclosed_in(entry, record.message)
        ended = {
            "incomplete_at": entry.at // 1000,
            "incomplete_details": {"reason": record.reason},
            "attachments": enclosed.get("attachments", []),
        }
        content = message_content(record.text or "", enclosed)
        message = self._objects.message(record.message, "incomplete", content, entry.began)
        yield "thread.message.incomplete", message | ended
        yield self._step_ended(entry, record.step, record.status, {"message": record.message})

    # ---- steps -----------------------------------------------------------------------------------

    def _step_created(self, entry: log.LogEntry, step: int, body: log.Json) -> Iterator[Named]:
        created = self._objects.step(step, body, "in_progress", entry.at, None)
        yield "thread.run.step.created", created
        yield "thread.run.step.in_progress", created

    def _step_ended(self, entry: log.LogEntry, step: int, status: str, body: log.Json) -> Named:
        ended = self._objects.step(step, body, status, entry.began, entry.at)
        if status in ("failed", "expired"):
            ended["last_error"] = entry.step_error
        return f"thread.run.step.{status}", ended

    def _step_delta(self, step: int, calls: list[log.Json]) -> Named:
        return "thread.run.step.delta", self._objects.step_delta(step, calls)

    def _tool_step_begun(self, entry: log.LogEntry, record: log.ToolStepBegun) -> Iterator[Named]:
        yield from self._step_created(entry, record.step, {"calls": []})
        calls = [
            function_call(id, name, arguments, output=None) | {"index": at}
            for at, (id, name, arguments) in enumerate(record.calls)
        ]
        yield self._step_delta(record.step, calls)

    def _tool_call_answered(
        self, _entry: log.LogEntry, record: log.ToolCallAnswered
    ) -> Iterator[Named]:
        # Without the call's id: joining the deltas would append it, like any other text.
        function = {"output": record.output}
        call = {"index": record.place, "type": "function", "function": function}
        yield self._step_delta(record.step, [call])

    def _tool_step_ended(self, entry: log.LogEntry, record: log.ToolStepEnded) -> Iterator[Named]:
        yield self._step_ended(entry, record.step, record.status, record.body)

    # ---- hosted calls ----------------------------------------------------------------------------

    def _hosted_step_begun(
        self, entry: log.LogEntry, record: log.HostedStepBegun
    ) -> Iterator[Named]:
        details: log.Json = {"input": "", "outputs": []} if record.kind == CODE else {}
        # Without the call: joining the deltas would give it its id and its details twice.
        yield from self._step_created(entry, record.step, {"calls": []})
        call = {"index": 0, **hosted_call(record.call, record.kind, details)}
        yield self._step_delta(record.step, [call])

    def _hosted_code_deltas(
        self, _entry: log.LogEntry, record: log.HostedCodeDeltas
    ) -> Iterator[Named]:
        for text in record.texts:
            yield self._step_delta(record.step, [{"index": 0, "type": CODE, CODE: {"input": text}}])

    def _hosted_step_ended(
        self, entry: log.LogEntry, record: log.HostedStepEnded
    ) -> Iterator[Named]:
        _, kind, details = record.body["hosted"]
        if kind == CODE:
            outputs = lenient.objects(details.get("outputs"))
            details = {"outputs": [{"index": at, **one} for at, one in enumerate(outputs)]}
        yield self._step_delta(record.step, [{"index": 0, "type": kind, kind: details}])
        yield self._step_ended(entry, record.step, record.status, record.body)

    # ---- the rest --------------------------------------------------------------------------------

    def _own_event(self, _entry: log.LogEntry, record: log.OwnEvent) -> Iterator[Named]:
        yield record.name, record.data

    def _log_done(self, _entry: log.LogEntry, _record: log.LogDone) -> Iterator[Named]:
        yield DONE, "[DONE]"

    _DECODERS: ClassVar[dict[type[log.Record], Callable[..., Iterator[Named]]]] = {
        log.StatusChanged: _status_changed,
        log.MessageBegun: _message_begun,
        log.MessageDeltas: _message_deltas,
        log.MessageImages: _message_images,
        log.MessageCompleted: _message_completed,
        log.MessageIncomplete: _message_incomplete,
        log.ToolStepBegun: _tool_step_begun,
        log.ToolCallAnswered: _tool_call_answered,
        log.ToolStepEnded: _tool_step_ended,
        log.HostedStepBegun: _hosted_step_begun,
        log.HostedCodeDeltas: _hosted_code_deltas,
        log.HostedStepEnded: _hosted_step_ended,
        log.OwnEvent: _own_event,
        log.LogDone: _log_done,
        log.UnknownRecord: _refuse_unknown,
    }
    """How records of each kind are converted; a gateway has a thousand decoders, this once."""
