"""The check of the order of events: it takes what is right, and names each thing that is wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.event_order import EventOrder, violations
from tests.support.run_playback import RunPlayback, call

from threadmill.handlers import EventHandler
from threadmill_shared.events.decoder import Event

CLAIMED = {"started_at": 1_700_000_000_000, "expires_at": 1_700_000_600_000}


class Kept(EventHandler):
    """Keeps the events of a run."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)


def story() -> tuple[RunPlayback, list[Event]]:
    kept = Kept()
    told = RunPlayback(kept)
    told.tell("r", "created", {})
    told.tell("r", "queued", {})
    told.tell("r", "in_progress", CLAIMED)
    return told, kept.events


def whole_run() -> list[Event]:
    """A message, two calls, code, a takeover in the middle of a message, and the end."""
    told, events = story()
    told.say("I will ", "roll.")
    calls = told.begin_calls(call("roll_dice"), call("roll_dice"))
    calls.output(1, "4")
    calls.output(0, "2")
    calls.end()
    code = told.begin_hosted()
    code.write("1+")
    code.write("1")
    code.end(input="1+1", outputs=[{"type": "logs", "logs": "2"}])
    told.begin_message("Half a ").break_off("run_failed", "cancelled")
    told.tell("r", "queued", {})
    told.notice("threadmill.run.takeover", worker="host:1", attempt=2)
    told.tell("r", "in_progress", CLAIMED)
    told.say("Done.")
    told.end()
    return events


def parked_run() -> list[Event]:
    told, events = story()
    calls = told.begin_calls(call("pay"))
    required = {"required": [["call_0", "pay", "{}", "output"]], **CLAIMED}
    told.tell("r", "requires_action", required)
    calls.output(0, "paid")
    calls.end()
    told.tell("r", "queued", {})
    told.tell("r", "in_progress", CLAIMED)
    told.tell("r", "cancelling", CLAIMED)
    told.end("cancelled")
    return events


@pytest.mark.parametrize("make", [whole_run, parked_run])
def test_what_a_worker_writes_is_in_order(make: Callable[[], list[Event]]) -> None:
    assert violations(make()) == []


@pytest.mark.parametrize("make", [whole_run, parked_run])
def test_so_is_its_rest_from_any_event_on(make: Callable[[], list[Event]]) -> None:
    events = make()
    for after in range(1, len(events)):
        order = EventOrder(after)
        assert [found for event in events[after:] for found in order.take(event)] == []


def numbered(events: list[Event]) -> list[Event]:
    return [Event(at, one.event, one.data, one.at) for at, one in enumerate(events, 1)]


def at(events: list[Event], name: str, number: int = 0) -> int:
    return [place for place, one in enumerate(events) if one.event == f"thread.{name}"][number]


def is_told_once(event: Event) -> bool:
    """Whether a client could not do without it; nor with it twice."""
    is_progress = event.event in ("thread.message.in_progress", "thread.run.step.in_progress")
    return not is_progress and not event.event.startswith("threadmill.")


def test_an_event_that_is_missing_or_comes_twice_is_named() -> None:
    events = whole_run()
    for place, event in enumerate(events[:-1]):
        if is_told_once(event):
            assert violations(numbered(events[:place] + events[place + 1 :])), event
            assert violations(numbered(events[: place + 1] + events[place:])), event


def test_a_gap_between_numbers_is_named() -> None:
    events = whole_run()
    assert "event 7, " in violations(events[:5] + events[6:])[0]


def text(data: Any) -> Any:
    return data["delta"]["content"][0]


def calls(data: Any) -> Any:
    return data["delta"]["step_details"]["tool_calls"]


PART = {"index": 0, "type": "text", "text": {"value": "", "annotations": []}}
WRONG: dict[str, tuple[str, int, Callable[[Any], object], str]] = {
    "a call that a delta repeats": (
        "run.step.created",
        1,
        lambda data: data["step_details"].update(tool_calls=[{"id": "c", "type": "function"}]),
        "whose ids a delta will repeat",
    ),
    "a call's id twice": ("run.step.delta", 1, lambda d: calls(d)[0].update(id="c"), "call's id"),
    "a call without id": ("run.step.delta", 0, lambda d: calls(d)[0].pop("id"), "has no id"),
    "an id in a delta": ("run.step.delta", 0, lambda d: d["delta"].update(id="x"), "in its delta"),
    "an output twice": (
        "run.step.delta",
        0,
        lambda data: calls(data)[0]["function"].update(output="3"),
        "call's output",
    ),
    "no annotations": ("message.delta", 0, lambda d: text(d)["text"].pop("annotations"), "has no"),
    "annotations twice": (
        "message.delta",
        1,
        lambda data: text(data)["text"].update(annotations=[]),
        "has `annotations` again",
    ),
    "an index too high": ("message.delta", 0, lambda d: text(d).update(index=1), "index 0 [py]"),
    "no index": ("message.delta", 0, lambda d: text(d).pop("index"), "without index or type"),
    "another type": (
        "message.delta",
        1,
        lambda data: text(data).update(type="image_file"),
        "another type than what it is added to",
    ),
    "another text": ("message.delta", 0, lambda d: text(d)["text"].update(value="No"), "text than"),
    "another step's message": ("message.created", 0, lambda d: d.update(id="m"), "the open step"),
    "a message with parts": (
        "message.created",
        0,
        lambda d: d.update(content=[PART]),
        "its beginning",
    ),
    "no part at the end": ("message.completed", 0, lambda d: d.update(content=[]), "lacks part 0"),
    "no end": ("message.completed", 0, lambda d: d.update(completed_at=None), "when it has ended"),
    "no reason": ("message.incomplete", 0, lambda d: d.update(incomplete_details=None), "says why"),
    "a run that ended and expires": ("run.completed", 0, lambda d: d.update(expires_at=5), "ended"),
    "a run without expiry": ("run.in_progress", 0, lambda d: d.update(expires_at=None), "expires"),
    "a run of no beginning": ("run.in_progress", 0, lambda d: d.update(started_at=None), "began"),
    "an action": ("run.in_progress", 0, lambda d: d.update(required_action={"a": 1}), "wrong time"),
}
"""An event, what is done to its data, and what is found then."""


@pytest.mark.parametrize("name", WRONG)
def test_wrong_data_is_named(name: str) -> None:
    kind, number, change, words = WRONG[name]
    events = copy.deepcopy(whole_run())
    change(events[at(events, kind, number)].data)
    assert words in "\n".join(violations(events))


SWAPPED = {
    "a step before the last one's end": ("run.step.completed", 0, "is open [node]"),
    "a step before its message's end": ("message.completed", 0, "before the message's end"),
    "a run before its last step's end": ("run.step.completed", -1, "is open [api]"),
    "a delta before its message": ("message.in_progress", 0, "thread.message"),
    "the log's end before the run's": (
        "run.completed",
        0,
        "without a final event of the run [node]",
    ),
}


@pytest.mark.parametrize("name", SWAPPED)
def test_an_event_that_comes_before_its_time_is_named(name: str) -> None:
    kind, number, words = SWAPPED[name]
    events = whole_run()
    place = at(events, kind, number)
    events[place : place + 2] = events[place + 1], events[place]
    assert words in "\n".join(violations(numbered(events)))
