"""Why a run does not move, in states that a fleet is in for a moment only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.unit.test_doctor_fleet import TOOL, reading, worker

from threadmill.inspection.doctor.stuck_runs import check_outputs
from threadmill.inspection.held_runs import find_why_held
from threadmill.inspection.parked_runs import find_why_parked
from threadmill.inspection.queued_runs import find_why_unclaimed
from threadmill.inspection.standstill import Standstill
from threadmill.inspection.surroundings import Surroundings
from threadmill.inspection.workers import WorkerView
from threadmill_shared.records.definition import RunSnapshot
from threadmill_shared.records.inspection import ParkedRun, RunPlace
from threadmill_shared.records.log import LogEntry
from threadmill_shared.records.objects import Step
from threadmill_shared.records.run import RunRecord
from threadmill_shared.tools import OnInterrupt, ToolSpec

NOW = 1_000_000_000
"""The server's time in milliseconds; of its fleet `worker` gives views."""
CALL = "call_1"
STEP = {
    "0": '{"type":"tool_calls","calls":[["call_1","look","{}",null]],"failed":[],"usage":null}',
    "0:began": str(NOW - 90_000),
}


def around(
    *workers: WorkerView,
    marks: dict[str, str] | None = None,
    absent: tuple[ToolSpec, ...] = (),
    **fields: Any,
) -> Surroundings:
    """A run of the queue `tm`, with these fields of its record."""
    record = {"thread_id": "thread_1", "queue": "tm", "status": "queued", "request": ""} | fields
    place = RunPlace(
        now=NOW,
        record=RunRecord.read("run_1", {name: str(value) for name, value in record.items()}),
        marks=marks or {},
        head="run_1",
        ahead=(),
        held_since=None,
        last_entry=None,
    )
    steps = Step.read_all("run_1", STEP) if marks else []
    return Surroundings("tm", place, tuple(steps), workers, absent=absent)


def request(on_interrupt: OnInterrupt) -> str:
    """What a run asks for that has the tool `look`."""
    tool = TOOL.model_copy(update={"on_interrupt": on_interrupt})
    return RunSnapshot(
        assistant_id="asst_1", assistant_name="Ada", model="m", instructions="", tools=(tool,)
    ).model_dump_json()


def test_a_run_is_pausing_until_it_is_sent_again_however_long_that_is() -> None:
    found = find_why_unclaimed(around(worker(), queued_at=NOW + 12_000))
    assert (found.kind, "sent again in 12 s" in found.reason) == ("pausing", True)
    assert find_why_unclaimed(around(worker(), queued_at=NOW - 1_000)).kind == "sent"
    late = find_why_unclaimed(around(worker(), queued_at=NOW - 11_000))
    assert (late.kind, late.seconds) == ("unclaimed", 11.0)


def test_a_worker_whose_loop_does_not_answer_has_no_free_slots() -> None:
    full = worker(1, running=2, slots=2)
    blocked = worker(2, condition="blocked")
    found = find_why_unclaimed(around(full, blocked, queued_at=NOW))
    assert found.kind == "no_slot"
    assert found.reason == (
        "All 2 slots of the 1 worker of its queue are taken; the event loops of 1 more do not"
        " answer."
    )
    assert find_why_unclaimed(around(blocked, queued_at=NOW)).kind == "workers_blocked"


def test_a_silent_worker_is_silent_since_it_has_written_its_state() -> None:
    silent = worker(1, condition="silent", state_age=7.0)
    found = find_why_held(around(silent, status="in_progress", holder=silent.id))
    assert found is not None
    assert (found.kind, found.seconds) == ("worker_silent", 7.0)


def test_a_process_outside_that_does_not_renew_its_lease_is_lost() -> None:
    waits = {CALL: "{}", f"?{CALL}": "output"}
    run: dict[str, Any] = {"status": "requires_action", "deadline": NOW + 10_000}
    alive = find_why_parked(around(marks=waits | {f"@{CALL}": f"me {NOW + 1}"}, **run))
    assert alive.kind == "executing_outside"
    lost = find_why_parked(around(marks=waits | {f"@{CALL}": f"me {NOW - 4_000}"}, **run))
    assert (lost.kind, lost.seconds) == ("executor_lost", 4.0)
    assert "look is gone" in lost.reason
    assert "run.wait() in Python), or threadmill cancel run_1" in lost.cure


def test_nobody_but_a_script_has_its_own_functions() -> None:
    lost = {CALL: "{}", f"?{CALL}": "output", f"@{CALL}": f"me {NOW - 4_000}"}
    own = TOOL.model_copy(update={"identity": "__main__@5f0c94be71d2:look"})
    snapshot = RunSnapshot(
        assistant_id="asst_1", assistant_name="Marvin", model="m", instructions="", tools=(own,)
    )
    request = snapshot.model_dump_json()
    found = find_why_parked(around(marks=lost, status="requires_action", request=request))
    assert found.kind == "executor_lost"
    assert found.cure.startswith("threadmill cancel run_1. No other process has this function")


def test_a_parked_run_whose_time_is_over_waits_for_a_worker() -> None:
    waits = {CALL: "{}", f"?{CALL}": "approval"}
    run: dict[str, Any] = {"status": "requires_action", "deadline": NOW - 20_000}
    found = find_why_parked(around(marks=waits, **run))
    assert (found.kind, found.seconds) == ("overdue", 20.0)
    assert "threadmill worker MODULE" in found.cure
    assert "logs" in find_why_parked(around(worker(), marks=waits, **run)).cure


def test_an_output_that_a_process_works_on_is_not_missing() -> None:
    waits = {CALL: "{}", f"?{CALL}": "output"}
    parked = ParkedRun("run_1", "thread_1", NOW - 90_000, None, "Ada", marks=waits)
    assert check_outputs(reading(worker(), parked=[parked])).state == "warning"
    executed = replace(parked, marks=waits | {f"@{CALL}": f"me {NOW + 1}"})
    assert check_outputs(reading(worker(), parked=[executed])).state == "ok"
    lost = replace(parked, marks=waits | {f"@{CALL}": f"me {NOW - 1}"})
    assert check_outputs(reading(worker(), parked=[lost])).state == "warning"


def test_a_call_that_was_interrupted_is_executed_by_none_but_a_worker_with_its_function() -> None:
    marks = {CALL: "{}", f"!{CALL}": "1"}
    run: dict[str, Any] = {"status": "in_progress", "request": request("retry")}
    without, having = worker(1, tools={}), worker(2, tools={TOOL.identity: TOOL.digest})

    waits = around(without, marks=marks, holder=without.id, absent=(TOOL,), **run)
    found = find_why_held(waits)
    assert found is not None
    assert found.kind == "waits_for_worker"
    assert f"no live worker has {TOOL.identity}" in found.reason

    executes = find_why_held(around(having, marks=marks, holder=having.id, **run))
    assert executes is not None
    assert executes.kind == "executing_tool"


def test_a_tool_in_a_stopping_worker_is_interrupted_before_it_times_out() -> None:
    marks = {CALL: "{}", f"!{CALL}": "1"}
    stopping = worker(1, condition="stopping")
    run: dict[str, Any] = {
        "status": "in_progress",
        "holder": stopping.id,
        "worker": "web:1",
        "attempts": 1,
    }

    def found(on_interrupt: OnInterrupt, *workers: WorkerView) -> Standstill:
        held = around(stopping, *workers, marks=marks, request=request(on_interrupt), **run)
        found = find_why_held(held)
        assert found is not None
        assert found.kind == "executing_tool"
        assert found.reason == "Its worker web:1 is stopping, and executes the tool look."
        assert "THREADMILL_DRAIN_SECONDS" in found.cure
        assert "times out" not in found.cure
        return found

    assert found("report", worker(2)).cure.endswith("continues the run, and tells the model so")
    assert "calls it again; no other worker takes its queue: start one" in found("retry").cure
    assert found("fail", worker(2)).cure.endswith("another worker ends the run as failed")


def test_a_model_is_asked_again_by_another_worker_if_this_one_is_stopping() -> None:
    stopping = worker(1, condition="stopping")
    held = around(stopping, status="in_progress", holder=stopping.id)
    entry = LogEntry(last=1, records=[], at=NOW - 10_000, began=NOW - 10_000)
    found = find_why_held(replace(held, place=replace(held.place, last_entry=entry)))
    assert found is not None
    assert (found.kind, found.seconds) == ("asking_model", 10.0)
    assert found.reason.endswith("and its worker web:1 is stopping.")
    assert "another worker asks again; no other worker takes its queue: start one" in found.cure
