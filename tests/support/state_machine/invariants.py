"""What must hold of a namespace at any time, and its likeness to a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic_core import from_json
from tests.support.state_machine.commands import bucket_key
from tests.support.state_machine.lists import found_lists, wanted_lists, wrong_places
from tests.support.state_machine.model import Model, Run, Thread, words
from tests.support.state_machine.requests import shown_request
from tests.support.store.contents import Contents
from tests.support.store.leaks import TERMINAL, leaks

from threadmill_shared.records.changes import CANCEL_MS

HELD = frozenset({"in_progress", "requires_action", "cancelling"})


def broken(contents: Contents) -> list[str]:
    """The invariants that do not hold."""
    runs = {name: stored.value for _, name, stored in contents.of_kind("run")}
    return [
        *(f"I1: {what}" for what in _two_at_once(contents, runs)),
        *(f"I3: {what}" for what in _wrong_logs(contents, runs)),
        *(f"I4: {what}" for what in _misplaced(contents, runs)),
        *(f"I4: {what}" for what in _wrong_deadlines(contents, runs)),
        *(f"I7: {what}" for what in leaks(contents)),
        *(f"lists: {what}" for what in wrong_places(contents)),
    ]


def _two_at_once(contents: Contents, runs: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    active = Counter(run["thread_id"] for run in runs.values() if run["status"] in HELD)
    yield from (f"{count} active runs in {thread}" for thread, count in active.items() if count > 1)
    for run_id, run in runs.items():
        thread = contents.hash(f"{bucket_key(run_id)}thread:{run['thread_id']}")
        if run["status"] in HELD and thread.get("head") != run_id:
            yield f"{run_id} is {run['status']}, and {thread.get('head')!r} holds its thread"


def _wrong_logs(contents: Contents, runs: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for _, run_id, stored in contents.of_kind("log"):
        events: list[str] = []
        for last, entry in stored.value.items():
            events += entry_words(entry["e"])
            if last != len(events):
                yield f"{run_id}: entry {last} ends with event {len(events)}"
        ends = [event for event in events if event[:2] == "r:" and event[2:] in TERMINAL]
        status = runs[run_id]["status"]
        wanted = [f"r:{status}", "done"] if status in TERMINAL else []
        if ends != wanted[:1] or (wanted and events[-2:] != wanted) or events.count("done") > 1:
            yield f"{run_id} is {status}, and its log ends with {events[-4:]}"


def _misplaced(contents: Contents, runs: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    places = Counter(
        run_id
        for kind in ("line", "dispatched", "held", "parked")
        for _, _, stored in contents.of_kind(kind)
        for run_id in stored.value
    )
    for run_id, run in runs.items():
        wanted = 0 if run["status"] in TERMINAL else 1
        if places[run_id] != wanted:
            yield f"{run_id} is {run['status']} and stands in {places[run_id]} places"
    for _, _, stored in contents.of_kind("unreported"):
        for run_id in stored.value:
            if run_id in runs and (
                runs[run_id]["status"] not in TERMINAL or runs[run_id].get("token")
            ):
                yield f"{run_id} is unreported, and is {runs[run_id]['status']}"


def _wrong_deadlines(contents: Contents, runs: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Runs with a deadline stand there at it; cancelled ones a second after the cancel."""
    found = {
        run_id: at
        for _, _, stored in contents.of_kind("deadlines")
        for run_id, at in stored.value.items()
    }
    for run_id, run in runs.items():
        wanted = None
        if run["status"] in ("in_progress", "queued", "requires_action") and "deadline" in run:
            wanted = float(run["deadline"])
        elif run["status"] == "cancelling":
            wanted = float(run["cancelled_at"]) + CANCEL_MS
        if found.get(run_id) != wanted:
            yield f"{run_id} is {run['status']}, due at {wanted}, and stands at {found.get(run_id)}"


@lru_cache(maxsize=20_000)
def entry_words(records: str) -> tuple[str, ...]:
    """The events of a log's entry, one word each."""
    return tuple(word for record in from_json(f"[{records}]") for word in words(record))


# ---- likeness to the model ---------------------------------------------------------------------


def differences(model: Model, contents: Contents) -> list[str]:
    """Where the store is not as the model says that it ought to be."""
    wanted, found = dict(_wanted(model)), dict(_found(contents))
    return [
        f"{name}:\n  ought to be {wanted.get(name)}\n  and is      {found.get(name)}"
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    ]


def _wanted(model: Model) -> Iterator[tuple[str, Any]]:
    for run in model.runs.values():
        yield run.id, _wanted_run(run)
    for thread_id, thread in model.threads.items():
        yield thread_id, _wanted_thread(thread)
    yield "dispatched", {run.id for run in model.runs.values() if run.place == "dispatched"}
    yield "parked", {run.id for run in model.runs.values() if run.place == "parked"}
    yield "unreported", {run.id for run in model.runs.values() if run.is_unreported}
    held = [run for run in model.runs.values() if run.place == "held"]
    yield "held", {(run.holder, run.id) for run in held}
    yield "holders", {(bucket_key(run.id), run.holder) for run in held}
    yield "deadlines", {run.id for run in model.runs.values() if _has_deadline(run)}
    yield "idempotency keys", set(model.keys.values())
    yield "requests", model.requests.stored()
    yield from wanted_lists(model)


def _has_deadline(run: Run) -> bool:
    return not run.has_ended and (run.attempts > 0 or run.wait_ms is not None)


def _wanted_run(run: Run) -> tuple[Any, ...]:
    return (
        (run.thread, run.status, run.token, run.serial, run.attempts, run.holder, run.metadata),
        run.log,
        {str(number): status for number, status in run.steps.items()},
        run.calls,
    )


def _wanted_thread(thread: Thread) -> tuple[Any, ...]:
    return (
        *(thread.head, thread.line, thread.items, thread.last, thread.messages),
        *(thread.metadata, thread.tool_resources, thread.message_metadata),
    )


def _found(contents: Contents) -> Iterator[tuple[str, Any]]:
    for bucket, name, stored in contents.of_kind("run"):
        yield name, _found_run(contents, f"{bucket}:", name, stored.value)
    for bucket, name, _ in contents.of_kind("thread"):
        yield name, _found_thread(contents, f"{bucket}:", name)
    yield "dispatched", _members(contents, "dispatched")
    yield "parked", _members(contents, "parked")
    yield "unreported", _members(contents, "unreported")
    yield "held", {(holder, id) for _, holder, s in contents.of_kind("held") for id in s.value}
    yield "holders", {(f"{b}:", id) for b, _, s in contents.of_kind("holders") for id in s.value}
    yield "deadlines", _members(contents, "deadlines")
    keys = (stored.value for _, _, stored in contents.of_kind("idem"))
    yield "idempotency keys", {(key["run"], key["digest"]) for key in keys}
    yield (
        "requests",
        {
            (f"{bucket}:request:{name}", field, shown)
            for bucket, name, stored in contents.of_kind("request")
            for field, shown in shown_request(stored.value)
        },
    )
    yield from found_lists(contents)


def _found_run(
    contents: Contents, bucket: str, run_id: str, run: Mapping[str, str]
) -> tuple[Any, ...]:
    events = contents.stream(f"{bucket}log:{run_id}").values()
    steps = contents.hash(f"{bucket}steps:{run_id}")
    return (
        (
            *(run["thread_id"], run["status"], run.get("token", "")),
            *(int(run.get("serial", 0)), int(run["attempts"]), run.get("holder", "")),
            run.get("metadata", ""),
        ),
        [word for entry in events for word in entry_words(entry["e"])],
        {n: steps.get(f"{n}:ended", "").partition(" ")[0] for n in steps if n.isdigit()},
        {
            name: value.partition(" ")[0] if name.startswith("@") else value
            for name, value in contents.hash(f"{bucket}calls:{run_id}").items()
        },
    )


def _found_thread(contents: Contents, bucket: str, thread_id: str) -> tuple[Any, ...]:
    items = contents.stream(f"{bucket}items:{thread_id}")
    thread = contents.hash(f"{bucket}thread:{thread_id}")
    beside = contents.hash(f"{bucket}attached:{thread_id}")
    return (
        thread.get("head", ""),
        list(contents.scores(f"{bucket}line:{thread_id}")),
        {position: item["item"] for position, item in items.items()},
        int(thread.get("last", 0)),
        contents.scores(f"{bucket}messages:{thread_id}"),
        *(thread.get("metadata", ""), thread.get("tool_resources", "")),
        {name.removesuffix(":metadata"): value for name, value in beside.items()},
    )


def _members(contents: Contents, kind: str) -> set[str]:
    return {run_id for _, _, stored in contents.of_kind(kind) for run_id in stored.value}
