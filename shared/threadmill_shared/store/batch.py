"""What a holder writes in one script call: events, and with them whatever they announce."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from threadmill_shared.records.changes import WaitsFor
from threadmill_shared.records.items import Item
from threadmill_shared.records.log import MessageDeltas, Record, count, encode

Value = str | int | float


@dataclass(slots=True)
class _Changes:
    """What a batch writes besides events."""

    fields: dict[str, Value] = field(default_factory=dict)
    items: list[Value] = field(default_factory=list)
    steps: list[Value] = field(default_factory=list)
    opened: list[Value] = field(default_factory=list)
    closed: list[Value] = field(default_factory=list)

    def extend(self, other: _Changes) -> None:
        """Add all of the other's behind these."""
        self.fields.update(other.fields)
        self.items += other.items
        self.steps += other.steps
        self.opened += other.opened
        self.closed += other.closed

    def encoded(self) -> Sequence[Value]:
        """As `include/apply.lua` takes them; empty if there are none."""
        if not (self.fields or self.items or self.steps or self.opened or self.closed):
            return ()
        rest: list[Value] = [len(self.fields)]
        for name, value in self.fields.items():
            rest += (name, value)
        for width, part in ((2, self.items), (3, self.steps), (2, self.opened), (1, self.closed)):
            rest.append(len(part) // width)
            rest += part
        return rest


@dataclass(slots=True)
class Batch:
    """Grows while the write before it is under way, then goes out as one call."""

    _records: list[str] = field(default_factory=list)
    _count: int = 0
    _texts: list[str] = field(default_factory=list)
    _message: int = -1
    _changes: _Changes | None = None
    """None: it has events only, as almost all that are made."""

    def delta(self, message: int, text: str) -> None:
        """Add a piece of a message; pieces of one message share a record."""
        if message != self._message:
            self._close_texts()
            self._message = message
        self._texts.append(text)

    def record(self, record: Record) -> None:
        """Add a record to the log."""
        self._close_texts()
        self._records.append(encode(record))
        self._count += count(record)

    def open_message(self, number: int, step: int, *, next_message: int, next_step: int) -> None:
        """Store that a message is being written, and how the next ones are numbered."""
        self.changes.fields |= {"open_message": number, "message_step": step}
        self.changes.fields |= {"next_message": next_message, "next_step": next_step}

    def close_message(self) -> None:
        """Store that no message is being written."""
        self.changes.fields["open_message"] = ""

    def number_next_step(self, number: int) -> None:
        """Store how the next step is numbered."""
        self.changes.fields["next_step"] = number

    def end_turn(self, turns: int, usage: Any) -> None:
        """Store that the model has been asked so often, and what that has cost so far."""
        self.changes.fields |= {"turn": turns, "usage": to_json(usage).decode()}

    def forget_deaths(self) -> None:
        """Store that the run has made progress since workers died with it."""
        self.changes.fields["deaths"] = 0

    def forget_call_deaths(self) -> None:
        """Store that it has finished a tool call since workers died in its calls."""
        self.changes.fields |= {"deaths": 0, "call_deaths": 0}

    def hand_over(self) -> None:
        """Store that the run is handed over, which happens once."""
        self.changes.fields["handed_over"] = 1

    def end(self, *, reason: str | None, error: Any, data: Any) -> None:
        """Store why the run ends, and with what; None: there is no such thing."""
        found = {"reason": reason, "last_error": error, "data": data}
        self.changes.fields |= {k: to_json(v).decode() for k, v in found.items() if v is not None}

    def item(self, item: Item) -> None:
        """Add an item to the thread."""
        message_id = item["id"] if item["type"] == "message" else ""
        self.changes.items += (message_id, to_json(item).decode())

    def step(self, number: int, body: Any = None, status: str = "") -> None:
        """Write a step: its body if given; an empty status leaves it open."""
        self.changes.steps += (number, status, "" if body is None else to_json(body).decode())

    def open_call(self, call_id: str, closing_output: Item) -> None:
        """Store a tool call as open, with the output that closes it if the run ends first."""
        self.changes.opened += (call_id, to_json(closing_output).decode())

    def leave_call(self, call_id: str, closing_output: Item) -> None:
        """Store the output that closes an open call instead if nobody has begun it by then."""
        self.changes.opened += (f"~{call_id}", to_json(closing_output).decode())

    def begin_call(self, call_id: str) -> None:
        """Store that a tool is about to be called."""
        self.changes.opened += (f"!{call_id}", 1)

    def wait_for(self, call_id: str, what: WaitsFor) -> None:
        """Store that somebody outside has to answer a call."""
        self.changes.opened += (f"?{call_id}", what)

    def close_call(self, call_id: str) -> None:
        """Store that a call has its output."""
        self.changes.closed.append(call_id)

    def extend(self, other: Batch) -> None:
        """Add all of another batch behind this one."""
        other._close_texts()
        self._close_texts()
        self._records += other._records
        self._count += other._count
        if other._changes is not None:
            self.changes.extend(other._changes)

    def encoded(self) -> tuple[int, str, Sequence[Value]]:
        """Number of events, records, and the rest, as `append.lua` takes them."""
        self._close_texts()
        return self._count, ",".join(self._records), self._rest()

    @property
    def changes(self) -> _Changes:
        """What it writes besides events."""
        if self._changes is None:
            self._changes = _Changes()
        return self._changes

    def _rest(self) -> Sequence[Value]:
        return () if self._changes is None else self._changes.encoded()

    def _close_texts(self) -> None:
        if self._texts:
            self._records.append(encode(MessageDeltas(self._message, self._texts)))
            self._count += len(self._texts)
            self._texts = []
        self._message = -1

    def __bool__(self) -> bool:
        return bool(self._texts or self._records or self._rest())
