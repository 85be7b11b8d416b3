"""The log of a run, as it is stored: entries of compact records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

Record = list[Any]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of the stored log, named by the number of its last event."""

    last: int
    records: list[Record]
    at: int
    """Server's time in milliseconds."""
    began: int
    """When the step began that this entry ends; `at` where it began in this entry."""

    @classmethod
    def read(cls, id: str, fields: Mapping[str, str]) -> LogEntry:
        """Build an entry from the stream's."""
        at = int(fields["t"])
        records = from_json(f"[{fields['e']}]")
        return cls(int(id.partition("-")[0]), records, at, int(fields.get("b") or at))

    @property
    def first(self) -> int:
        """Number of the entry's first event."""
        return self.last - sum(map(count, self.records)) + 1


_COUNTS = {"mb": 4, "me": 2, "mi": 2, "tb": 3, "hb": 3, "he": 2}
_LISTS = {"d": 2, "hd": 2, "mf": 3}
"""Where the list stands of which each element is an event."""


def count(record: Record) -> int:
    """How many events a record stands for."""
    if record[0] in _LISTS:
        return len(record[_LISTS[record[0]]])
    return _COUNTS.get(record[0], 1)


def encode(record: Sequence[Any]) -> str:
    """A record as it is stored."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def abandoned_text(entries: Sequence[LogEntry], message: int) -> str:
    """The text that a message had when it was abandoned, joined from its deltas."""
    texts = (r[2] for e in entries for r in e.records if r[0] == "d" and r[1] == message)
    return "".join(text for group in texts for text in group)
