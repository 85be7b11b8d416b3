"""The checks find what they are for: each is shown a fault, and its likeness that is none."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.chaos import checks
from tests.chaos.ledger import Ledger
from tests.chaos.logs import StoredRun
from tests.chaos.plan import Kind, faults
from tests.chaos.readers import Reader, differences
from tests.chaos.says import LOOKING, Say, ToolUse
from tests.chaos.stream_copy import StreamCopy

from threadmill import Event
from threadmill_shared.records.log import LogEntry, count, read_record

CREATED, QUEUED, CLAIMED = ["r", "created", {}], ["r", "queued", {}], ["r", "in_progress", {}]
TAKEN_OVER = ["x", "threadmill.run.takeover", {}]
COMPLETED, DONE = ["r", "completed", {}], ["done"]
BEGINS, ENDS = ["mb", 0, 0], ["me", 0, 0, "Hi you", None]
DELTAS = [["d", 0, ["Hi"]], ["d", 0, [" you"]]]
ABANDONED = ["mi", 0, 0, None, "run_failed", "cancelled", 5]
START, END = [CREATED, QUEUED, CLAIMED], [COMPLETED, DONE]
WHOLE = [*START, BEGINS, *DELTAS, ENDS, *END]


def stored(*records: list[Any], id: str = "run", begun: int = 0, **fields: Any) -> StoredRun:
    """A run with this log, one record per entry and millisecond."""
    entries, last = [], 0
    for at, record in enumerate(records, begun):
        last += count(read_record(record))
        entries.append(LogEntry(last, [read_record(record)], at, at))
    status = next((r[1] for r in reversed(records) if r[0] == "r"), "queued")
    given = {"thread_id": "thread", "attempts": 1, "error": "", "text": "", "answers": []}
    return StoredRun(id=id, status=status, entries=entries, **given | fields)


def by_id(*runs: StoredRun) -> dict[str, StoredRun]:
    return {run.id: run for run in runs}


def found(check: Iterable[str]) -> int:
    return len(list(check))


# ---- logs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "records",
    [
        WHOLE,
        [*START, BEGINS, DELTAS[0], ABANDONED, QUEUED, TAKEN_OVER, CLAIMED, *WHOLE[3:]],
        [*START, BEGINS, DELTAS[0]],
        [CREATED, QUEUED, ["r", "cancelled", {}], DONE],
    ],
    ids=["completed", "taken over", "going on", "cancelled in line"],
)
def test_a_log_that_holders_wrote_one_after_the_other_is_right(records: list[list[Any]]) -> None:
    assert found(checks.broken_logs(by_id(stored(*records)))) == 0


@pytest.mark.parametrize(
    "records",
    [
        [*START, BEGINS, DELTAS[0], *DELTAS, ENDS, *END],
        [*START, BEGINS, DELTAS[1], ENDS, *END],
        [*START, BEGINS, DELTAS[0], ABANDONED, QUEUED, DELTAS[1]],
        [*START, BEGINS, DELTAS[0], CLAIMED, DELTAS[1]],
        [*START, BEGINS, DELTAS[0], ["mb", 1, 1], DELTAS[1]],
        [*START, BEGINS, DELTAS[0], QUEUED],
        [*WHOLE, DELTAS[0]],
        [*WHOLE, *END],
    ],
    ids=[
        *("a delta twice", "a delta is missing", "an old token writes", "two holders"),
        *("two messages mixed", "a message left open", "after the end", "ended twice"),
    ],
)
def test_a_log_that_cannot_be_is_found(records: list[list[Any]]) -> None:
    assert found(checks.broken_logs(by_id(stored(*records)))) > 0


def test_a_tail_that_saw_something_else_than_the_log_is_found() -> None:
    log = [Event(1, "a", {}), Event(2, "b", {}), Event(3, "done", "[DONE]")]
    for seen, wrong in [
        (log, 0),
        (log[:2], 1),
        ([log[0], log[0], *log[1:]], 1),
        ([log[0], Event(2, "b", {"other": 1}), log[2]], 1),
    ]:
        reader = Reader("run", None)
        reader.seen = list(seen)
        assert found(differences(reader, log)) == wrong


# ---- runs and threads --------------------------------------------------------------------------


def test_a_run_that_is_not_over_or_given_up_early_is_lost() -> None:
    deaths = [QUEUED, TAKEN_OVER, CLAIMED]
    failed = [["r", "failed", {}], DONE]
    going_on = stored(*START)
    early = stored(*START, *deaths * 2, *failed, error="worker_lost")
    not_in_a_row = stored(*START, *deaths * 2, BEGINS, *DELTAS, ENDS, *deaths, *failed)
    not_in_a_row = stored(*[r for _, r in not_in_a_row.records], error="worker_lost")
    late = stored(*START, *deaths * 3, *failed, error="worker_lost")
    for run, is_lost in [(going_on, 1), (early, 1), (not_in_a_row, 1), (late, 0)]:
        assert found(checks.lost(by_id(run), max_attempts=3)) == is_lost


def test_each_say_has_one_run_and_each_run_was_said() -> None:
    says = [{"what": "say", "key": "a"}, {"what": "run", "key": "a", "run": "1"}]
    again = [*says, {"what": "run", "key": "a", "run": "2"}]
    one, two = stored(id="1"), stored(id="2")
    assert found(checks.wrong_says(by_id(one), says, set())) == 0
    assert found(checks.wrong_says(by_id(one), says[:1], {"1"})) == 1
    assert found(checks.wrong_says(by_id(one, two), again, set())) == 1
    assert found(checks.wrong_says(by_id(one, two), says, set())) == 1
    assert found(checks.wrong_says({}, says, set())) == 1


def test_runs_of_a_thread_that_overlap_or_change_places_are_found() -> None:
    def said(number: int, begun: int, id: str = "") -> StoredRun:
        text = Say("thread", "p0", number).text
        return stored(*WHOLE, id=id or str(number), begun=begun, text=text)

    first, second, early = said(0, 0), said(1, 100), said(1, 5)
    assert found(checks.disorder({"thread": [first, second]})) == 0
    assert found(checks.disorder({"thread": [first, early]})) == 1
    assert found(checks.disorder({"thread": [said(1, 0), said(0, 100)]})) == 1
    assert found(checks.disorder({"thread": [first, said(2, 100)]})) == 1
    assert found(checks.disorder({"thread": [first, second, first]})) >= 1


def test_an_answer_that_is_not_what_the_model_said_is_found() -> None:
    say = Say("thread", "p0", 0, turns=((ToolUse("pay", 0.1),),), tokens=2)
    answer = "thread p0-0: 1 2"
    for answers, wrong in [([LOOKING, answer], 0), ([answer], 1), ([LOOKING, answer + " 2"], 1)]:
        run = stored(*WHOLE, text=say.text, answers=answers)
        assert found(checks.wrong_answers(by_id(run))) == wrong


# ---- tools -------------------------------------------------------------------------------------


def begun(tool: str, attempt: int) -> dict[str, Any]:
    return {"what": "begin", "call": "call", "tool": tool, "attempt": attempt}


def with_output(attempt: int) -> StoredRun:
    """A run whose call has the output that this attempt stored."""
    claims = [CLAIMED, *[QUEUED, TAKEN_OVER, CLAIMED] * (attempt - 1)]
    return stored(CREATED, QUEUED, *claims, ["to", 0, 0, "call", "did call"])


@pytest.mark.parametrize(
    ("tool", "attempts", "stored_by", "repeated"),
    [
        ("pay", [1], 1, 0),
        ("fetch", [1, 2], 2, 0),
        ("fetch", [2, 1], 2, 0),  # a frozen worker thawed between its last write and the call
        ("fetch", [1, 2], 1, 1),
        ("pay", [1, 2], 2, 1),
    ],
)
def test_a_call_that_had_an_output_must_not_be_executed_again(
    tool: str, attempts: list[int], stored_by: int, repeated: int
) -> None:
    runs, calls = by_id(with_output(stored_by)), [begun(tool, attempt) for attempt in attempts]
    assert found(checks.repeated_calls(runs, calls)) == repeated


def test_an_output_that_no_execution_gave_is_found() -> None:
    runs = by_id(with_output(2))
    ended = begun("fetch", 2) | {"what": "end"}
    assert found(checks.wrong_outputs(runs, [ended])) == 0
    assert found(checks.wrong_outputs(runs, [ended | {"attempt": 1}])) == 1
    answered = begun("fetch", 0) | {"what": "answered"}
    assert found(checks.wrong_outputs(runs, [answered])) == 0
    assert found(checks.wrong_outputs(runs, [answered | {"call": "another"}])) == 1


def test_only_a_run_that_was_cancelled_may_end_so() -> None:
    runs = by_id(stored(*START, ["r", "cancelled", {}], DONE))
    said = {"what": "run", "run": "run", "key": "key"}
    assert found(checks.not_completed(runs, [said])) == 1
    assert found(checks.not_completed(runs, [said, {"what": "cancelled", "run": "run"}])) == 0


# ---- what the checks stand on ------------------------------------------------------------------


def test_a_say_is_read_as_it_was_written() -> None:
    turns = ((ToolUse("pay", 0.25), ToolUse("note", 0.1)), (ToolUse("fetch", 0.02),))
    say = Say("hot-1-0", "p2", 17, turns, tokens=3, delay=0.015)
    assert Say.read(say.text) == say
    assert Say.read(Say("a", "b", 0).text) == Say("a", "b", 0)


def test_a_seed_decides_all_faults() -> None:
    def some(seed: str) -> list[Any]:
        return [fault for fault, _ in zip(faults(seed, 1.0, cuts=True), range(50), strict=False)]

    assert some("1") == some("1")
    assert some("1") != some("2")
    assert {fault.kind for fault in some("1")[: len(Kind)]} == set(Kind)


def test_a_line_that_is_being_written_is_read_the_next_time(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.add("say", key="a")
    whole = json.dumps({"what": "say", "key": "b"}) + "\n"
    with ledger.path.open("a") as file:
        file.write(whole[:5])
        file.flush()
        assert [line["key"] for line in ledger.new_lines()] == ["a"]
        file.write(whole[5:])
    assert [line["key"] for line in ledger.new_lines()] == ["b"]


# ---- streams over HTTP -------------------------------------------------------------------------


def created(text: str) -> dict[str, Any]:
    return {"id": "msg", "content": [{"type": "text", "text": {"value": text}}] if text else []}


def delta(text: str) -> dict[str, Any]:
    return {"id": "msg", "delta": {"content": [{"type": "text", "text": {"value": text}}]}}


CREATED_EVENT = (2, "thread.message.created", created(""))
DELTA_EVENTS = [(3, "thread.message.delta", delta("Hi")), (4, "thread.message.delta", delta("!"))]
COMPLETED_EVENT = (5, "thread.message.completed", created("Hi!"))
STREAM = [CREATED_EVENT, *DELTA_EVENTS, COMPLETED_EVENT]


def copied(*streams: list[tuple[int, str, dict[str, Any]]]) -> StreamCopy:
    copy = StreamCopy()
    for events in streams:
        copy.begin()
        for number, name, data in events:
            copy.add(name, number, data)
    return copy


@pytest.mark.parametrize(
    "streams",
    [
        [STREAM],
        [STREAM[:2], STREAM[2:]],
        [STREAM[:2], [], [], [(3, "thread.message.created", created("Hi")), *STREAM[2:]]],
    ],
    ids=["whole", "cut", "entered in the middle"],
)
def test_streams_that_go_on_where_they_were_cut_give_the_stored_text(
    streams: list[list[tuple[int, str, dict[str, Any]]]],
) -> None:
    copy = copied(*streams)
    assert list(copy.differences({"msg": "Hi!"})) == []
    assert copy.cuts == len(streams) - 1


@pytest.mark.parametrize(
    ("streams", "stored"),
    [
        ([STREAM], {"msg": "Hi"}),
        ([STREAM], {"msg": "Hi!", "other": "Ho"}),
        ([STREAM[:2], STREAM[1:]], {"msg": "Hi!"}),
        ([STREAM[:2], STREAM[3:]], {"msg": "Hi!"}),
    ],
    ids=["another text", "a message is missing", "a delta twice", "a delta is missing"],
)
def test_streams_that_lose_or_double_something_are_wrong(
    streams: list[list[tuple[int, str, dict[str, Any]]]], stored: dict[str, str]
) -> None:
    wrong = list(copied(*streams).differences(stored))
    assert wrong
    assert found(checks.wrong_streams([{"run": "run", "wrong": wrong}])) == len(wrong)


@pytest.mark.parametrize(("told", "wrong"), [("Hi!", 0), ("Hi", 1), ("HiHi!", 1)])
def test_a_handler_that_has_another_text_is_found(told: str, wrong: int) -> None:
    copy = copied(STREAM[:2])
    copy.enter()
    copy.complete("msg", told, "Hi!")
    copy.note_status("completed")
    copy.end_entered()
    assert copy.is_over
    assert found(copy.differences({"msg": "Hi!"})) == wrong
    assert found(copy.differences({"msg": "Ho!"})) == wrong + 1


@pytest.mark.parametrize(("status", "is_over"), [("in_progress", False), ("requires_action", True)])
def test_a_handlers_stream_is_over_only_if_its_run_is(status: str, is_over: bool) -> None:
    copy = StreamCopy()
    copy.enter()
    copy.note_status(status)
    copy.end_entered()
    assert copy.is_over is is_over
