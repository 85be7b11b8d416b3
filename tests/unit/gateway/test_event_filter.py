"""Which events a stream has."""

from __future__ import annotations

from typing import Any

from threadmill_gateway.streams.event_filter import EventFilter
from threadmill_shared.events.decoder import Event


def events(*names: str, step: str = "step_1") -> list[Event]:
    return [
        Event(at, name, {"id": step, **(waiting("output") if name == PARKED else {})})
        for at, name in enumerate(names, 1)
    ]


PARKED = "thread.run.requires_action"


def waiting(*kinds: str) -> dict[str, Any]:
    calls = [{"id": f"call_{at}", "waits_for": kind} for at, kind in enumerate(kinds)]
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
    return {"required_action": action}


def names_of(found: list[Event], event_filter: EventFilter | None = None) -> list[str]:
    return [event.event for event in (event_filter or EventFilter()).of(found)]


def test_threadmills_own_events_are_left_out_unless_they_are_asked_for() -> None:
    found = events("thread.run.queued", "threadmill.run.waiting", "thread.run.in_progress")
    assert names_of(found) == ["thread.run.queued", "thread.run.in_progress"]
    assert len(names_of(found, EventFilter(has_own=True))) == 3


def test_a_delta_of_a_step_that_the_stream_has_not_created_is_left_out() -> None:
    found = events("thread.run.step.delta", "thread.run.step.completed", "thread.run.queued")
    assert names_of(found) == ["thread.run.step.completed", "thread.run.queued"]


def test_a_delta_of_a_step_that_it_has_created_is_there() -> None:
    found = events("thread.run.step.created", "thread.run.step.delta")
    assert names_of(found) == ["thread.run.step.created", "thread.run.step.delta"]


def test_the_stream_is_over_when_outputs_are_required_though_the_log_goes_on() -> None:
    event_filter = EventFilter()
    found = events("thread.run.in_progress", "thread.run.requires_action", "thread.run.queued")
    assert names_of(found, event_filter) == found_names(found[:2])
    assert event_filter.is_over
    assert names_of(events("thread.run.in_progress"), event_filter) == []


def test_the_stream_is_over_when_the_run_is() -> None:
    event_filter = EventFilter()
    assert names_of(events("thread.run.completed", "done"), event_filter)[-1] == "done"
    assert event_filter.is_over


def test_calls_that_wait_for_a_decision_are_not_the_clients() -> None:
    event_filter = EventFilter()
    mixed = [Event(1, PARKED, waiting("output", "approval"))]
    [event] = event_filter.of(mixed)
    calls = event.data["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert calls == [{"id": "call_0"}]
    assert event_filter.is_over


def test_a_run_that_waits_for_decisions_only_goes_on() -> None:
    event_filter = EventFilter()
    found = [Event(1, PARKED, waiting("approval")), *events("thread.run.queued")]
    assert names_of(found, event_filter) == ["thread.run.queued"]
    assert not event_filter.is_over


def test_a_reader_that_decides_is_told_of_all_calls_that_wait() -> None:
    event_filter = EventFilter(has_approvals=True)
    found = [Event(1, PARKED, waiting("output", "approval")), *events("thread.run.queued")]
    [event] = event_filter.of(found)
    calls = event.data["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert [call["waits_for"] for call in calls] == ["output", "approval"]
    assert event_filter.is_over


def found_names(found: list[Event]) -> list[str]:
    return [event.event for event in found]
