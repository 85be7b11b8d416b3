"""A batch is written as if each of its parts were made in the plain way."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from threadmill_shared.records.items import Item
from threadmill_shared.records.log import MessageDeltas, OwnEvent, encode, record_values
from threadmill_shared.store.batch import Batch

texts = st.text(st.characters(), max_size=6)  # halves of characters, too
numbers = st.integers(0, 3)
item: Item = {"type": "note", "text": "a", "run_id": "run_1"}  # type: ignore[typeddict-item]

operations = st.lists(
    st.tuples(st.just("delta"), numbers, texts)
    | st.tuples(st.just("record"), texts)
    | st.tuples(st.just("number_next_step"), numbers)
    | st.tuples(st.sampled_from(["close_message", "end", "item"]))
    | st.tuples(st.just("step"), numbers)
    | st.tuples(st.just("open_call"), texts)
    | st.tuples(st.just("close_call"), texts),
    max_size=12,
)


class PlainBatch:
    """A batch as simple as it can be: the plain version of `Batch`."""

    def __init__(self) -> None:
        self.records: list[list[Any]] = []
        self.is_text_open = False
        self.fields: dict[str, Any] = {}
        self.parts: list[list[Any]] = [[], [], [], []]

    def apply(self, name: str, *arguments: Any) -> None:
        """Do what one operation of the batch does."""
        match name, *arguments:
            case "delta", message, text:
                if self.is_text_open and self.records[-1][1] == message:
                    self.records[-1][2].append(text)
                else:
                    self.records.append(["d", message, [text]])
                self.is_text_open = True
            case "record", text:
                self.records.append(["x", "threadmill.test", {"text": text}])
                self.is_text_open = False
            case "number_next_step", number:
                self.fields["next_step"] = number
            case ["close_message"]:
                self.fields["open_message"] = ""
            case ["item"]:
                self.parts[0].append(["", compact(item)])
            case "step", number:
                self.parts[1].append([number, "", ""])
            case "open_call", call:
                self.parts[2].append([call, compact(item)])
            case "close_call", call:
                self.parts[3].append([call])

    def extend(self, other: PlainBatch) -> None:
        """Add all of the other behind this one."""
        self.records += other.records
        self.is_text_open = False
        self.fields |= other.fields
        self.parts = [mine + theirs for mine, theirs in zip(self.parts, other.parts, strict=True)]

    def encoded(self) -> tuple[int, str, list[Any]]:
        """As `append.lua` takes it."""
        count = sum(len(one[2]) if one[0] == "d" else 1 for one in self.records)
        rest = [len(self.fields), *(part for field in self.fields.items() for part in field)]
        for part in self.parts:
            rest += [len(part), *(value for entry in part for value in entry)]
        is_empty = not (self.fields or any(self.parts))
        return count, ",".join(map(compact, self.records)), [] if is_empty else rest


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def carry_out(batch: Batch, name: str, *arguments: Any) -> None:
    """Call the batch's own method."""
    match name, *arguments:
        case "record", text:
            batch.record(OwnEvent("threadmill.test", {"text": text}))
        case ["end"]:
            batch.end(reason=None, error=None, data=None)
        case ["item"]:
            batch.item(item)
        case "open_call", call:
            batch.open_call(call, item)
        case _:
            getattr(batch, name)(*arguments)


def filled(steps: list[Any]) -> tuple[Batch, PlainBatch]:
    """A batch on which these operations were carried out, and the plain one."""
    batch, plain = Batch(), PlainBatch()
    for name, *arguments in steps:
        carry_out(batch, name, *arguments)
        plain.apply(name, *arguments)
    return batch, plain


@given(operations, operations)
def test_a_batch_is_encoded_as_the_plain_one(first, second):
    (batch, plain), (other, plain_other) = filled(first), filled(second)
    assert bool(batch) == any(plain.encoded())
    batch.extend(other)
    plain.extend(plain_other)
    count, records, rest = batch.encoded()
    assert (count, records, list(rest)) == plain.encoded()


@given(numbers, st.lists(texts, max_size=4))
def test_pieces_of_text_are_encoded_as_any_record(message, pieces):
    record = MessageDeltas(message, pieces)
    assert encode(record) == compact(record_values(record))
