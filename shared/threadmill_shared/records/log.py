"""The log of a run, as it is stored: entries of compact records, short JSON arrays behind a tag.

Python writes the records of this module with `encode`. Lua scripts write these:

| record | scripts |
|---|---|
| `["r", ...]` | `enqueue`, `claim`, `include/cancel_run`, `include/end_run`, `include/requeue`, `include/resume` |
| `["mi", ...]`, `["te", ...]` | `include/steps`, of what an attempt has left open |
| `["x", ...]` | `enqueue` and `include/head` (waiting, dispatched), `claim` (takeover) |
| `["done"]` | `include/end_run` |

`compact` joins `["d", ...]` and `["hd", ...]` of an ended run. A record names messages and steps by their numbers within the run.
"""  # noqa: E501  a table's row is one line

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, NamedTuple

from pydantic_core import from_json

Json = dict[str, Any]


class StatusChanged(NamedTuple):
    """The run's status has changed: one `thread.run.<status>`."""

    status: str
    results: Json
    """The run's new times and results."""


class MessageBegun(NamedTuple):
    """A message and its step are created and in progress: four events."""

    message: int
    step: int


class MessageDeltas(NamedTuple):
    """The message continues: one `thread.message.delta` per text."""

    message: int
    texts: list[str]


class MessageImages(NamedTuple):
    """The message shows images: one `thread.message.delta` per file."""

    message: int
    first: int
    """Index of the first of them among the message's parts."""
    files: list[str]


class MessageCompleted(NamedTuple):
    """A message and its step are completed: two events."""

    message: int
    step: int
    text: str
    usage: dict[str, int] | None
    enclosed: Json | None = None
    """Annotations, images and attachments; None: there are none."""


class MessageIncomplete(NamedTuple):
    """A message was abandoned, and its step ended: two events."""

    message: int
    step: int
    text: str | None
    """None: it is in the log, starting with event `since`."""
    reason: str
    status: str
    """Of the step."""
    since: int | None = None


class ToolStepBegun(NamedTuple):
    """A step of tool calls is created, in progress, and names its calls: three events."""

    step: int
    calls: list[list[str]]
    """Id, name and arguments of each."""


class ToolCallAnswered(NamedTuple):
    """A tool call has its output: one `thread.run.step.delta`."""

    step: int
    place: int
    """Index of the call in its step."""
    call: str
    output: str


class ToolStepEnded(NamedTuple):
    """The step of tool calls has ended: one event."""

    step: int
    status: str
    body: Json


class HostedStepBegun(NamedTuple):
    """The step of a hosted call is created, in progress, and names its call: three events."""

    step: int
    call: str
    kind: str


class HostedCodeDeltas(NamedTuple):
    """The code of a hosted call continues: one `thread.run.step.delta` per text."""

    step: int
    texts: list[str]


class HostedStepEnded(NamedTuple):
    """The outcome of a hosted call, and the end of its step: two events."""

    step: int
    status: str
    body: Json


class OwnEvent(NamedTuple):
    """One `threadmill.*` event, which the Assistants API did not have."""

    name: str
    data: Any


ENCLOSED = "threadmill.message.enclosed"
"""Own event: what goes with the incomplete message that the same entry ends."""


class LogDone(NamedTuple):
    """The log ends: `done`."""


class UnknownRecord(NamedTuple):
    """A record that a later release wrote."""

    tag: str


Record = (
    StatusChanged
    | MessageBegun
    | MessageDeltas
    | MessageImages
    | MessageCompleted
    | MessageIncomplete
    | ToolStepBegun
    | ToolCallAnswered
    | ToolStepEnded
    | HostedStepBegun
    | HostedCodeDeltas
    | HostedStepEnded
    | OwnEvent
    | LogDone
    | UnknownRecord
)

_KINDS: dict[str, type[Record]] = {
    "r": StatusChanged,
    "mb": MessageBegun,
    "d": MessageDeltas,
    "mf": MessageImages,
    "me": MessageCompleted,
    "mi": MessageIncomplete,
    "tb": ToolStepBegun,
    "to": ToolCallAnswered,
    "te": ToolStepEnded,
    "hb": HostedStepBegun,
    "hd": HostedCodeDeltas,
    "he": HostedStepEnded,
    "x": OwnEvent,
    "done": LogDone,
}
_TAGS = {kind: tag for tag, kind in _KINDS.items()}
_COUNTS = {
    MessageBegun: 4,
    MessageCompleted: 2,
    MessageIncomplete: 2,
    ToolStepBegun: 3,
    HostedStepBegun: 3,
    HostedStepEnded: 2,
}


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def count(record: Record) -> int:
    """How many events a record represents."""
    match record:
        case MessageDeltas() | HostedCodeDeltas():
            return len(record.texts)
        case MessageImages():
            return len(record.files)
        case _:
            return _COUNTS.get(type(record), 1)


def record_values(record: Record) -> list[Any]:
    """A record as it is stored, before it is made JSON."""
    values = list(record)
    if record._field_defaults and values[-1] is None:
        values.pop()
    return [_TAGS[type(record)], *values]


def encode(record: Record) -> str:
    """A record as it is stored, as JSON."""
    if type(record) is MessageDeltas:  # for each token that arrives alone: this takes a third
        texts = ",".join(map(_ENCODER.encode, record.texts))
        return f'["d",{record.message},[{texts}]]'
    return _ENCODER.encode(record_values(record))


def read_record(values: Sequence[Any]) -> Record:
    """The record that was stored as these values."""
    kind = _KINDS.get(values[0])
    return UnknownRecord(values[0]) if kind is None else kind(*values[1:])


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of the stored log, named by the number of its last event."""

    last: int
    records: list[Record]
    at: int
    """Server's time in milliseconds."""
    began: int
    """When the step began that this entry ends; `at` if it began in this entry."""
    step_error: Json | None = None
    """The error of the step that this entry ends, if the run's end has ended it."""
    span: int = 0
    """Milliseconds from its first event to its last, if it has taken the place of several entries
    (`lua/compact.lua`)."""

    @classmethod
    def read(cls, id: str, fields: Mapping[str, str]) -> LogEntry:
        """Build an entry from the stream's."""
        at = int(fields["t"])
        records = [read_record(values) for values in from_json(f"[{fields['e']}]")]
        began = int(fields.get("b") or at)
        number, span = int(id.partition("-")[0]), int(fields.get("d") or 0)
        error = from_json(fields["l"]) if "l" in fields else None
        return cls(number, records, at, began, error, span)

    @classmethod
    def of_end(cls, last: int, records: str, at: int) -> LogEntry:
        """The entry that ends a log, from the terminal records that the run's record keeps."""
        return cls.read(str(last), {"e": records, "t": str(at)})

    @property
    def first(self) -> int:
        """Number of the entry's first event."""
        return self.last - sum(map(count, self.records)) + 1

    def times(self) -> Iterator[int]:
        """When each of its events was stored, in milliseconds, and the last time without end."""
        if not self.span:
            return repeat(self.at)
        gaps, since = self.last - self.first, self.at - self.span
        return chain((since + self.span * n // gaps for n in range(gaps)), repeat(self.at))

    def agrees_with(self, other: LogEntry) -> bool:
        """Whether both have an event in common, and each of these is the same in both."""
        mine, others = _numbered(self), _numbered(other)
        common = mine.keys() & others.keys()
        return bool(common) and all(mine[number] == others[number] for number in common)


def _numbered(entry: LogEntry) -> dict[int, Any]:
    """What stands for each event, by its number: a text, or a record."""
    found: list[Any] = []
    for record in entry.records:
        if isinstance(record, MessageDeltas | HostedCodeDeltas):
            found += [(type(record), record[0], text) for text in record.texts]
        else:
            found += [record] * count(record)
    return dict(enumerate(found, entry.first))


def enclosed_in(entry: LogEntry, message: int) -> Json:
    """What goes with an incomplete message that the entry ends."""
    for record in entry.records:
        if isinstance(record, OwnEvent) and record.name == ENCLOSED:
            fields: Json = {**record.data}
            if fields.pop("message") == message:
                return fields
    return {}


def abandoned_text(entries: Sequence[LogEntry], message: int) -> str:
    """The text that a message had when it was abandoned, joined from its deltas."""
    return "".join(
        text
        for entry in entries
        for record in entry.records
        if isinstance(record, MessageDeltas) and record.message == message
        for text in record.texts
    )
