"""The indexes that lists are read from: what is to stand in each, and at which place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import from_json
from tests.support.state_machine.commands import ASSISTANT, INDEXED_KEY
from tests.support.state_machine.model import Model
from tests.support.store.contents import Contents

KINDS = ("all_runs", "status", "assistant", "error", "expiring", "active", "metadata")
CLOCK_MS = 1000
"""How far apart the times may be that two scripts computed for the same moment."""


def digest(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()[:16]


def wanted_lists(model: Model) -> Iterator[tuple[str, Any]]:
    runs = model.runs.values()
    yield "all_runs", {("", run.id) for run in runs}
    yield "status", {(run.status, run.id) for run in runs}
    yield "assistant", {(ASSISTANT.partition(":")[2], run.id) for run in runs}
    yield "error", {(digest(word), run.id) for run in runs for word in run.error}
    yield "expiring", {("", run.id) for run in runs if run.has_ended}
    yield "active", {("", thread) for thread in model.threads}
    yield (
        "metadata",
        {
            (digest(f"{INDEXED_KEY}={value}"), id)
            for id, thread in model.threads.items()
            if (value := from_json(thread.metadata).get(INDEXED_KEY)) is not None
        },
    )


def found_lists(contents: Contents) -> Iterator[tuple[str, Any]]:
    for kind in KINDS:
        yield (
            kind,
            {
                (name, member.partition(" ")[0])
                for _, name, stored in contents.of_kind(kind)
                for member in stored.value
            },
        )


def wrong_places(contents: Contents) -> Iterator[str]:
    runs = {name: stored.value for _, name, stored in contents.of_kind("run")}
    yield from _wrong_places_of_runs(contents, runs)
    yield from _wrong_lifetimes(contents, runs)
    yield from _wrong_activity(contents, runs)


def _wrong_places_of_runs(
    contents: Contents, runs: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    for kind in ("all_runs", "status", "assistant", "error"):
        for bucket, name, stored in contents.of_kind(kind):
            for run_id, place in stored.value.items():
                thread = runs[run_id]["thread_id"]
                own = contents.scores(f"{bucket}:runs:{thread}")
                wanted = own or contents.scores(f"{bucket}:all_runs")
                if place != wanted[run_id]:
                    yield f"{run_id} stands in {kind}:{name} at {place}, not at {wanted[run_id]}"


def _wrong_lifetimes(contents: Contents, runs: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for _, _, stored in contents.of_kind("expiring"):
        for member, at in stored.value.items():
            run_id, _, words = member.partition(" ")
            run = runs[run_id]
            if "run_ms" not in run:  # compacted: its lifetime was set at its end
                continue
            wanted = int(run["ended_at"]) + int(run["run_ms"])
            if words != run["listed"] or abs(at - wanted) > CLOCK_MS:
                yield f"{run_id} is listed by {run['listed']} until {wanted}, not {words} {at}"


def _wrong_activity(contents: Contents, runs: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """The last activity is the newest of what may be one, and no older than any run's end."""
    for bucket, _, stored in contents.of_kind("active"):
        for thread_id, at in stored.value.items():
            thread = contents.hash(f"{bucket}:thread:{thread_id}")
            own = [run for run in runs.values() if run["thread_id"] == thread_id]
            times = {
                int(run[key]) for run in own for key in ("created_at", "ended_at") if key in run
            }
            items = contents.stream(f"{bucket}:items:{thread_id}").values()
            least = max(times | {int(thread["created_at"])})
            # A thread of the same id may have been deleted: its runs are older than this one.
            known = times | {least} | {int(item["t"]) for item in items}
            # A message that was the last activity may have been deleted since.
            has_gaps = len(items) < int(thread.get("last", 0))
            if at < least or (at not in known and not has_gaps):
                yield f"{thread_id} was active last at {at}; {least} is known"
    for bucket, name, stored in contents.of_kind("metadata"):
        for thread_id, at in stored.value.items():
            if at != contents.scores(f"{bucket}:active")[thread_id]:
                yield f"{bucket}{name}: {thread_id} stands elsewhere than in the index of all"
