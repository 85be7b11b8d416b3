"""Entries of text deltas are read in a third of the time, and mean what all entries mean."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from threadmill_shared.events.decoder import Event, LogDecoder
from threadmill_shared.records.definition import RunSnapshot
from threadmill_shared.records.run import RunRecord
from threadmill_shared.store.log_read import RawEntry
from threadmill_shared.store.logs import read_entries

REQUEST = RunSnapshot(assistant_id="asst_1", assistant_name="Ada", model="m", instructions="x")
FIELDS = {"thread_id": "thread_1", "status": "in_progress", "queue": "q"}
RECORD = RunRecord.read("run_12", {**FIELDS, "request": REQUEST.model_dump_json()})
TEXTS = ["a", "", "token 1 ", '"],["r', "\u2028\n", "😀", "\\", "[]", "d", "]]"]
BEGUN: list[Any] = ["mb", 0, 0]


def made_up_log(choose: random.Random) -> list[RawEntry]:
    """Entries that begin with a message; most continue it, alone or beside other records."""
    found: list[RawEntry] = []
    last = choose.choice([0, 7])
    for number in range(choose.randrange(1, 12)):
        records: list[Any] = [BEGUN] if number == 0 else []
        last += 4 * len(records)
        for _ in range(choose.choice([1, 1, 1, 2])):
            texts = choose.choices(TEXTS, k=choose.choice([1, 1, 2, 5]))
            records.append(["d", 0, texts])
            last += len(texts)
        if choose.random() < 0.1:
            records.append(["x", "threadmill.model.reduced", {"tries": 1}])
            last += 1
        text = ",".join(json.dumps(one, ensure_ascii=choose.random() < 0.5) for one in records)
        fields = ["e", text, "t", "1764550000123"]
        if choose.random() < 0.1:
            fields += choose.choice([["d", "17"], ["b", "1764550000000"]])
        as_dict = dict(zip(fields[::2], fields[1::2], strict=True))
        found.append((str(last), choose.choice([fields, as_dict])))
    return found


def plainly(decoder: LogDecoder, found: list[RawEntry], after: int) -> list[Event]:
    return [event for entry in read_entries(found) for event in decoder.events(entry, after)]


def told(events: list[Event]) -> list[tuple[Any, ...]]:
    return [(event.id, event.event, event.data, event.at) for event in events]


@pytest.mark.parametrize("seed", range(200))
def test_they_give_the_same_events(seed: int) -> None:
    choose = random.Random(seed)
    log, decoder = made_up_log(choose), LogDecoder(RECORD)
    begins_at = choose.randrange(len(log) + 1)
    plainly(decoder, log[:begins_at], 0)  # as a reader who comes there knows it
    first = int(log[begins_at - 1][0]) if begins_at else 0
    after = first + choose.choice([0, 0, 1])
    found = decoder.deltas(log[begins_at:], after)
    assert found is None or told(found) == told(plainly(decoder, log[begins_at:], after))


def test_most_entries_are_such() -> None:
    entry = ("12", ["e", '["d",0,["Hello"]]', "t", "1764550000123"])
    assert LogDecoder(RECORD).deltas([entry, ("13", entry[1])], 11) is not None


@pytest.mark.parametrize("text", ['["d",0,["a"]],["done"]', '["done"]', BEGUN])
def test_what_says_anything_else_is_read_like_everything(text: Any) -> None:
    raw = text if isinstance(text, str) else json.dumps(text)
    assert LogDecoder(RECORD).deltas([("12", ["e", raw, "t", "1"])], 0) is None
