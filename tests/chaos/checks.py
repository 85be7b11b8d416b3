"""What must hold of everything that lies in the store and beside it when all is quiet again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from tests.chaos.ledger import Line
from tests.chaos.logs import StoredRun
from tests.chaos.says import Say
from tests.support.event_order import violations
from tests.support.store.leaks import TERMINAL

ONCE = ("pay", "note", "sign")
"""Tools that must not be repeated, whatever happens to them."""

Runs = Mapping[str, StoredRun]


# ---- runs --------------------------------------------------------------------------------------


def lost(runs: Runs, max_attempts: int) -> Iterator[str]:
    """Runs that nobody ended, or that were given up too early."""
    for run in runs.values():
        if not run.is_over:
            yield f"{run.id} is {run.status} in attempt {run.attempts}"
        elif run.error == "worker_lost" and run.deaths_without_progress() < max_attempts:
            yield f"{run.id} is worker_lost after {run.deaths_without_progress()} deaths"


def not_completed(runs: Runs, says: Iterable[Line]) -> Iterator[str]:
    """Says whose runs ended otherwise; no fault is a reason for that, but a cancellation is."""
    lines = list(says)
    said = {line["run"] for line in lines if line["what"] == "run"}
    cancelled = {line["run"] for line in lines if line["what"] == "cancelled"}
    for run in runs.values():
        ends = {"completed", "cancelled"} if run.id in cancelled else {"completed"}
        if run.id in said and run.is_over and run.status not in ends:
            yield f"{run.id} is {run.status} ({run.error}) in attempt {run.attempts}"


def wrong_says(runs: Runs, says: Iterable[Line], others: set[str]) -> Iterator[str]:
    """I6: each say has one run, and each run was said."""
    said: defaultdict[str, set[str]] = defaultdict(set)
    for line in says:
        if line["what"] == "say":
            said[line["key"]] |= set()
        elif line["what"] == "run":
            said[line["key"]].add(line["run"])
    for key, ids in said.items():
        if len(ids) != 1 or not ids <= runs.keys():
            yield f"{key!r} has the runs {sorted(ids)}"
    known = others.union(*said.values())
    yield from (f"{id} was said by nobody" for id in runs if id not in known)


# ---- threads -----------------------------------------------------------------------------------


def disorder(threads: Mapping[str, list[StoredRun]]) -> Iterator[str]:
    """I1 and I5: runs of a thread one after the other, as they were enqueued."""
    for thread_id, line in threads.items():
        if len({run.id for run in line}) != len(line):
            yield f"the items of a run in {thread_id} are apart"
        for before, after in pairwise(line):
            if before.is_over and after.claims and after.claims[0] < before.ended_at:
                yield f"{after.id} was claimed before {before.id} had ended"
        numbers: defaultdict[str, list[int]] = defaultdict(list)
        for run in line:
            if say := Say.read(run.text):
                numbers[say.producer].append(say.number)
        for producer, found in numbers.items():
            if found != list(range(len(found))):
                yield f"{thread_id} has the says {found} of {producer}"


def unseen(runs: Runs, notes: Iterable[Line]) -> Iterator[str]:
    """I5: requests whose history lacks an answer of a run that had completed."""
    completed = {say.key for run in runs.values() if (say := Say.read(run.text)) and _ok(run)}
    for note in notes:
        if note["what"] == "unseen" and note["of"] in completed:
            yield f"{note['by']!r} was asked with {note['found']} for {note['of']!r}"


def wrong_answers(runs: Runs) -> Iterator[str]:
    """Completed runs whose messages are not exactly what the model said."""
    for run in runs.values():
        say = Say.read(run.text)
        if say and _ok(run) and run.answers != say.answers:
            yield f"{run.id} answered {run.answers} to {say.text!r}"


def _ok(run: StoredRun) -> bool:
    return run.status == "completed"


def wrong_streams(streams: Iterable[Line]) -> Iterator[str]:
    """Runs of which a client of a gateway has other texts than the thread."""
    for line in streams:
        yield from (f"{line['run']}: {what}" for what in line["wrong"])


# ---- logs --------------------------------------------------------------------------------------


def broken_logs(runs: Runs) -> Iterator[str]:
    """I2 and I3: what cannot have been written by the holders one after the other."""
    for run in runs.values():
        story = _Story()
        for _, record in run.records:
            story.tell(record)
        yield from (f"{run.id}: {what}" for what in story.wrong)


def events_out_of_order(runs: Runs) -> Iterator[str]:
    """What clients of the Assistants API would not read, or read wrongly."""
    for run in runs.values():
        yield from (f"{run.id}: {what}" for what in violations(run.events))


class _Story:
    """Reads a log as a consumer would, and notes what makes no sense."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self._is_held = False
        self._is_parked = False
        self._is_over = False
        self._message: int | None = None
        self._text = ""

    def tell(self, record: list[Any]) -> None:
        if self._is_over and record[0] != "done":
            self.wrong.append(f"{record[:2]} after the end")
        kind = record[0]
        if kind == "r":
            self._status(record[1])
        elif kind in ("mb", "d", "me", "mi", "tb", "to", "te"):
            if not self._is_held and not (self._is_parked and kind in ("to", "te")):
                self.wrong.append(f"{record[:2]} while nobody held the run")
            self._written(kind, record)

    def _status(self, status: str) -> None:
        if status == "in_progress" and self._is_held:
            self.wrong.append("claimed twice")
        if status not in ("created", "cancelling") and self._message is not None:
            self.wrong.append(f"message {self._message} was open when the run became {status}")
        self._is_held = status in ("in_progress", "cancelling")
        self._is_parked = status == "requires_action"
        self._is_over = status in TERMINAL

    def _written(self, kind: str, record: list[Any]) -> None:
        if kind == "mb":
            if self._message is not None:
                self.wrong.append(f"message {record[1]} begins in message {self._message}")
            self._message, self._text = record[1], ""
        elif kind in ("d", "me", "mi"):
            if record[1] != self._message:
                self.wrong.append(f"{kind} of message {record[1]} in message {self._message}")
            self._of_message(kind, record)

    def _of_message(self, kind: str, record: list[Any]) -> None:
        if kind == "d":
            self._text += "".join(record[2])
            return
        if kind == "me" and record[3] != self._text:
            self.wrong.append(f"deltas {self._text!r} of the message {record[3]!r}")
        self._message = None


# ---- tools -------------------------------------------------------------------------------------


def repeated_calls(runs: Runs, calls: Iterable[Line]) -> Iterator[str]:
    """Calls that were executed although they had an output, or had been begun and may not be.

    A worker that was frozen between the stored begin and the execution executes the call when it
    thaws, when another one may have finished it; no fence can stop that. So only executions by a
    later attempt than the one that stored the output count.
    """
    outputs = {call: output for run in runs.values() for call, output in run.outputs.items()}
    begun: Counter[str] = Counter()
    for line in calls:
        if line["what"] != "begin":
            continue
        begun[line["call"]] += 1
        stored_by = outputs.get(line["call"], (line["attempt"], "", False))[0]
        if line["attempt"] > stored_by:
            yield f"{line['call']} has an output of attempt {stored_by}; again in {line['attempt']}"
        elif line["tool"] in ONCE and begun[line["call"]] > 1:
            yield f"{line['call']} of {line['tool']} was executed again in {line['attempt']}"


def wrong_outputs(runs: Runs, calls: Iterable[Line]) -> Iterator[str]:
    """Outputs that no execution gave, and executions by attempts that never were."""
    ended: defaultdict[str, set[int]] = defaultdict(set)
    answered: set[str] = set()
    """By a client over HTTP, which knows of no attempts."""
    for line in calls:
        if line["what"] == "answered":
            answered.add(line["call"])
        elif line["what"] == "end":
            ended[line["call"]].add(line["attempt"])
    for run in runs.values():
        for call, (attempt, output, failed) in run.outputs.items():
            is_given = call in answered or attempt in ended[call]
            if not failed and (output != f"did {call}" or not is_given):
                yield f"{run.id}: {call} has {output!r} of attempt {attempt}, which did not end it"
