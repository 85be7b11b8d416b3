"""Outputs of several calls of a parked run: all are stored, or none."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.support.store.scene import Scene

from threadmill_shared import errors
from threadmill_shared.records.changes import Dispatch, WaitsFor
from threadmill_shared.records.log import StatusChanged, ToolStepBegun
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch
from threadmill_shared.store.parked_runs import CallOutcome

CALLS = ("call_1", "call_2", "call_3")


async def park(scene: Scene, waits_for: tuple[WaitsFor, ...] = ("output",) * 3) -> str:
    """A run that is parked for these calls."""
    held = await scene.begin()
    batch = Batch()
    step = [[call, "ask", "{}", None] for call in CALLS[: len(waits_for)]]
    batch.step(0, {"type": "tool_calls", "calls": step})
    batch.record(ToolStepBegun(0, [call[:3] for call in step]))
    for (call, *_), what in zip(step, waits_for, strict=True):
        batch.open_call(
            call,
            {
                "type": "tool_output",
                "call_id": call,
                "provider_id": call,
                "output": "cut off",
                "failed": True,
                "run_id": held.record.id,
            },
        )
        batch.wait_for(call, what)
    required = [[call, "ask", "{}", what] for (call, *_), what in zip(step, waits_for, strict=True)]
    results = {"required": required, "started_at": held.record.started_at}
    batch.record(StatusChanged("requires_action", results))
    assert await held.park(batch, 600_000)
    return held.record.id


def outputs(*calls: str) -> list[tuple[str, str]]:
    return [(call, f"{call} says so") for call in calls]


async def submit(scene: Scene, run_id: str, given: Any, *, whole: bool = True) -> Dispatch | None:
    return (await scene.store.parked_runs.submit_all(run_id, given, whole=whole)).send


async def refused(
    scene: Scene, run_id: str, given: Any, *, whole: bool = True
) -> errors.WrongOutputs:
    """The error with which outputs are refused, of which nothing is stored."""
    before = await scene.contents()
    with pytest.raises(errors.WrongOutputs) as error:
        await submit(scene, run_id, given, whole=whole)
    assert await scene.contents() == before
    return error.value


async def test_all_outputs_end_the_step_and_send_the_run(scene: Scene) -> None:
    run_id = await park(scene)
    before = len(await scene.events(run_id))

    sent = await submit(scene, run_id, outputs(*CALLS))

    assert sent == Dispatch(run_id, "tm", begun=True)
    assert await scene.status(run_id) == Status.QUEUED
    [step] = await scene.store.runs.steps(run_id)
    assert step.status == "completed"
    assert [call.output for call in step.tool_calls] == [f"{call} says so" for call in CALLS]
    assert [item["output"] for item in (await scene.items())[-3:]] == [
        f"{call} says so" for call in CALLS
    ]
    assert (await scene.event_names(run_id))[before:] == [
        *["thread.run.step.delta"] * 3,
        *("thread.run.step.completed", "thread.run.queued"),
    ]
    assert await scene.store.parked_runs.calls(run_id) == []


async def test_they_come_in_any_order(scene: Scene) -> None:
    run_id = await park(scene)

    await submit(scene, run_id, outputs("call_3", "call_1", "call_2"))

    [step] = await scene.store.runs.steps(run_id)
    assert [call.output for call in step.tool_calls] == [f"{call} says so" for call in CALLS]


async def test_too_few_foreign_and_double_outputs_are_refused_with_what_is_waited_for(
    scene: Scene,
) -> None:
    run_id = await park(scene)

    for given in (
        [],
        ["call_1"],
        [*CALLS, "call_4"],
        ["call_1", "call_2", "call_4"],
        [*CALLS, CALLS[0]],
    ):
        error = await refused(scene, run_id, outputs(*given))
        assert (error.status, error.expected, error.given) == ("requires_action", [*CALLS], given)
    assert re.search("It is waiting for: call_1 .*, call_2 .*, call_3 ", str(error))


async def test_some_are_enough_if_not_all_are_wanted(scene: Scene) -> None:
    run_id = await park(scene)

    assert await submit(scene, run_id, outputs("call_1", "call_2"), whole=False) is None

    assert await scene.status(run_id) == Status.REQUIRES_ACTION
    [step] = await scene.store.runs.steps(run_id)
    assert (step.status, step.tool_calls[2].output) == ("in_progress", None)
    error = await refused(scene, run_id, outputs("call_3", "call_4"), whole=False)
    assert error.expected == ["call_3"]
    assert await submit(scene, run_id, outputs("call_3")) is not None


async def test_the_same_outputs_again_change_nothing(scene: Scene) -> None:
    run_id = await park(scene)
    first = await submit(scene, run_id, outputs(*CALLS))
    before = await scene.contents()

    assert await submit(scene, run_id, outputs(*reversed(CALLS))) == first
    assert await scene.contents() == before

    await scene.store.runs.cancel(run_id)
    before = await scene.contents()
    assert await submit(scene, run_id, outputs(*CALLS)) is None
    assert await scene.contents() == before


async def test_what_was_submitted_before_is_no_hindrance(scene: Scene) -> None:
    run_id = await park(scene)
    await scene.store.parked_runs.submit(run_id, "call_2", CallOutcome("call_2 says so"))

    assert await submit(scene, run_id, outputs(*CALLS)) is not None

    [step] = await scene.store.runs.steps(run_id)
    assert [call.output for call in step.tool_calls] == [f"{call} says so" for call in CALLS]
    assert len([item for item in await scene.items() if item["type"] == "tool_output"]) == 3


async def test_another_output_for_one_call_refuses_all(scene: Scene) -> None:
    run_id = await park(scene)
    await scene.store.parked_runs.submit(run_id, "call_2", CallOutcome("No!"))
    before = await scene.contents()

    with pytest.raises(errors.OutputMismatch, match="call_2"):
        await submit(scene, run_id, outputs(*CALLS))

    assert await scene.contents() == before


async def test_a_call_that_another_process_executes_refuses_all(scene: Scene) -> None:
    run_id = await park(scene)
    await scene.store.parked_runs.lease_call(run_id, "call_3", "somebody", may_repeat=False)
    before = await scene.contents()

    with pytest.raises(errors.CallTaken, match="call_3"):
        await submit(scene, run_id, outputs(*CALLS))

    assert await scene.contents() == before


async def test_a_call_that_waits_for_a_decision_is_none_of_them(scene: Scene) -> None:
    run_id = await park(scene, ("output", "approval"))

    error = await refused(scene, run_id, outputs("call_1", "call_2"))
    assert error.expected == ["call_1"]
    assert await submit(scene, run_id, outputs("call_1")) is None

    [step] = await scene.store.runs.steps(run_id)
    assert step.status == "in_progress"
    sent = await scene.store.parked_runs.submit(
        run_id, "call_2", CallOutcome("no", "ToolRejected"), waits_for="approval"
    )
    assert sent is not None


@pytest.mark.parametrize("status", [Status.QUEUED, Status.IN_PROGRESS, Status.CANCELLED])
async def test_a_run_in_another_status_takes_none_and_the_error_names_it(
    scene: Scene, status: Status
) -> None:
    run_id = (await scene.enqueue()).run_id
    if status is Status.IN_PROGRESS:
        await scene.claim(run_id)
    if status is Status.CANCELLED:
        await scene.store.runs.cancel(run_id)

    for given in (outputs("call_1"), []):
        with pytest.raises(errors.NotWaiting) as error:
            await submit(scene, run_id, given)

        assert error.value.status == status
        assert not isinstance(error.value, errors.WrongOutputs)


async def test_an_unknown_run_is_not_found(scene: Scene) -> None:
    with pytest.raises(errors.RunNotFound):
        await submit(scene, "run_00" + "0" * 30, outputs("call_1"))
