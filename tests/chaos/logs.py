"""All runs as they lie in the store at the end, with their logs in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pydantic_core import from_json
from tests.support.store.contents import Contents
from tests.support.store.leaks import TERMINAL

from threadmill_shared.events.decoder import Event, LogDecoder
from threadmill_shared.records.items import message_text
from threadmill_shared.records.log import (
    LogEntry,
    MessageIncomplete,
    abandoned_text,
    record_values,
)
from threadmill_shared.records.run import RunRecord


@dataclass(frozen=True, eq=False)
class StoredRun:
    """One run."""

    id: str
    thread_id: str
    status: str
    attempts: int
    error: str
    """Name of the reason why it failed."""
    text: str
    """What the user said."""
    answers: list[str]
    """The assistant's messages in the thread."""
    entries: list[LogEntry]
    record: RunRecord | None = None
    """None: a test has made up the run."""

    @property
    def is_over(self) -> bool:
        return self.status in TERMINAL

    @cached_property
    def records(self) -> list[tuple[int, list[Any]]]:
        """Time and record as it is stored, in order."""
        return [(entry.at, record_values(one)) for entry in self.entries for one in entry.records]

    @cached_property
    def events(self) -> list[Event]:
        """What its readers read; nothing if a test has made it up."""
        if self.record is None:
            return []
        decoder = LogDecoder(self.record)
        return [one for entry in self.entries for one in decoder.events(self._with_texts(entry))]

    def _with_texts(self, entry: LogEntry) -> LogEntry:
        """The entry; a message that was abandoned is given its text."""
        records = [
            one._replace(text=abandoned_text(self.entries, one.message))
            if isinstance(one, MessageIncomplete) and one.text is None
            else one
            for one in entry.records
        ]
        return replace(entry, records=records)

    @cached_property
    def claims(self) -> list[int]:
        """When it was claimed, in milliseconds."""
        return [at for at, record in self.records if record[:2] == ["r", "in_progress"]]

    @cached_property
    def takeovers(self) -> int:
        return sum(record[:2] == ["x", "threadmill.run.takeover"] for _, record in self.records)

    @property
    def ended_at(self) -> int:
        return self.entries[-1].at

    def claimed_after(self, at: int) -> int | None:
        """The first claim after this time."""
        return next((claim for claim in self.claims if claim > at), None)

    @cached_property
    def outputs(self) -> Mapping[str, tuple[int, str, bool]]:
        """Per call: the attempt that stored its output, the output, and whether it is an error."""
        found: dict[str, tuple[int, str, bool]] = {}
        failed: set[str] = set()
        attempt = 0
        for _, record in self.records:
            attempt += record[:2] == ["r", "in_progress"]
            if record[:2] == ["x", "threadmill.tool.failed"]:
                failed.add(record[2]["call_id"])
            elif record[0] == "to":
                call, output = record[3:5]
                found[call] = (attempt, output, call in failed)
        return found

    def deaths_without_progress(self) -> int:
        """Takeovers since something was finished last."""
        count = 0
        for _, record in self.records:
            if record[:2] == ["x", "threadmill.run.takeover"]:
                count += 1
            elif record[0] in ("me", "to", "tb"):
                count = 0
        return count


def stored_runs(contents: Contents) -> dict[str, StoredRun]:
    """All runs of a namespace."""
    said: dict[str, list[str]] = {}
    for _, run_id, item in _items(contents):
        if item["type"] == "message":
            said.setdefault(run_id, []).append(message_text(item))
    return {
        run_id: _stored_run(contents, bucket, run_id, stored.value, said)
        for bucket, run_id, stored in contents.of_kind("run")
    }


def threads(contents: Contents, runs: Mapping[str, StoredRun]) -> dict[str, list[StoredRun]]:
    """Per thread its runs in the order of their items; a run whose items are apart comes twice."""
    found: dict[str, list[StoredRun]] = {}
    for thread_id, run_id, _ in _items(contents):
        line = found.setdefault(thread_id, [])
        if run_id in runs and line[-1:] != [runs[run_id]]:
            line.append(runs[run_id])
    return found


def _stored_run(
    contents: Contents, bucket: str, run_id: str, run: Mapping[str, str], said: dict[str, list[str]]
) -> StoredRun:
    log = contents.stream(f"{bucket}:log:{run_id}")
    error = from_json(run["last_error"])["name"] if run.get("last_error") else ""
    text, *answers = said.get(run_id) or [""]
    return StoredRun(
        run_id,
        run["thread_id"],
        run["status"],
        int(run["attempts"]),
        error,
        text,
        answers,
        [LogEntry.read(str(last), fields) for last, fields in log.items()],
        RunRecord.read(run_id, run),
    )


def _items(contents: Contents) -> Iterator[tuple[str, str, Any]]:
    """Thread, run and item, in the order of each thread."""
    asked = {stored.value["message_id"]: id for _, id, stored in contents.of_kind("run")}
    for _, thread_id, stored in contents.of_kind("items"):
        for fields in stored.value.values():
            item = from_json(fields["item"])
            # A user's message belongs to the run that answers it, which the item does not say.
            yield thread_id, item.get("run_id") or asked.get(item.get("id"), ""), item
