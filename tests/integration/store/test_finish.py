"""finish: a holder ends its run, and the next in line takes the head in the same script."""

from __future__ import annotations

import pytest
from tests.support.state_machine.commands import Write
from tests.support.store.scene import (
    HOLDER,
    OTHER,
    begin_call,
    end_message,
    write_partly,
)

from threadmill.inspection.run_details import read_run_details
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.log import MessageIncomplete
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.interruption import LostRun


@pytest.mark.parametrize(
    "status",
    [Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.INCOMPLETE, Status.EXPIRED],
)
async def test_a_run_ends_with_its_terminal_event_and_done_and_leaves_all_indexes(
    scene, client, status
):
    held = await scene.begin()

    assert await held.finish(status, Batch()) is None

    assert client.outcomes[-1] == "ok"
    assert await scene.status(held.record.id) is status
    assert (await scene.event_names(held.record.id))[-2:] == [f"thread.run.{status}", "done"]
    for index in ("dispatched", "deadlines", "holders", f"held:{HOLDER.id}"):
        assert await scene.members(index) == []


async def test_the_last_batch_is_part_of_the_end(scene, client):
    held = await scene.begin()
    await write_partly(held, "Hello", "!")
    before = len(client.outcomes)

    await held.finish(Status.COMPLETED, end_message(held.record, "Hello!"))

    assert client.outcomes[before:] == ["ok"]
    assert await scene.texts() == ["hello", "Hello!"]
    events = await scene.events(held.record.id)
    assert [event.event for event in events[-4:]] == [
        "thread.message.completed",
        "thread.run.step.completed",
        "thread.run.completed",
        "done",
    ]
    assert [event.id for event in events] == list(range(1, len(events) + 1))


async def test_the_next_in_line_takes_the_head_and_is_to_be_sent_to_its_own_queue(scene):
    held = await scene.begin("first")
    second = await scene.enqueue("second", queue="tm.second")
    third = await scene.enqueue("third")

    dispatch = await held.finish(Status.COMPLETED, Batch())

    assert dispatch == Dispatch(second.run_id, "tm.second")
    assert await scene.members("dispatched") == [second.run_id]
    assert await scene.texts() == ["first", "second"]
    assert (await scene.event_names(second.run_id))[-1] == "threadmill.run.dispatched"
    assert await scene.store.runs.count_ahead(await scene.record(third.run_id)) == 1


async def test_the_next_run_sees_all_that_the_former_wrote(scene):
    held = await scene.begin("first")
    second = await scene.enqueue("second")
    await write_partly(held, "answer")
    await held.finish(Status.COMPLETED, end_message(held.record, "answer"))

    next_held = await scene.claim(second.run_id)

    seen = await scene.store.threads.items(scene.thread_id, 1, next_held.position)
    assert [item["content"][0]["text"]["value"] for item, *_ in seen] == [
        "first",
        "answer",
        "second",
    ]


async def test_a_run_that_completes_while_it_is_cancelled_ends_cancelled_with_its_text(scene):
    held = await scene.begin()
    await write_partly(held, "Hello!")
    await scene.store.runs.cancel(held.record.id)

    await held.finish(Status.COMPLETED, end_message(held.record, "Hello!"))

    assert await scene.status(held.record.id) is Status.CANCELLED
    assert await scene.texts() == ["hello", "Hello!"]
    assert (await scene.event_names(held.record.id))[-2:] == ["thread.run.cancelled", "done"]


async def test_an_open_call_gets_its_closing_output_so_that_the_thread_is_usable(scene):
    held = await scene.begin()
    await held.write(begin_call(held.record, "call_1"))

    await held.finish(Status.FAILED, Batch())

    items = await scene.items()
    assert [item["type"] for item in items] == ["message", "tool_call", "tool_output"]
    assert items[-1]["output"] == "cut off"
    [step] = await scene.store.runs.steps(held.record.id)
    assert step.status == "failed"


ERROR = LastError.of("ModelRefused", "no")


async def ended_steps(scene, run_id):
    """Status and error of each ended step, as readers of the run and of its log see them."""
    steps = [(step.status, step.last_error) for step in await scene.store.runs.steps(run_id)]
    ends = [f"thread.run.step.{status}" for status in ("completed", "failed", "expired")]
    found = [event.data for event in await scene.events(run_id) if event.event in ends]
    assert [(one["status"], one["last_error"]) for one in found] == [
        (status, error and error.model_dump()) for status, error in steps
    ]
    return steps


async def test_a_step_that_the_runs_error_has_ended_has_that_error(scene):
    held = await scene.begin("hello")
    await write_partly(held, "Done.")
    await held.write(end_message(held.record, "Done."))
    await held.write(begin_call(held.record, "call_1", step=1))
    batch = Batch()
    batch.end(reason=None, error=ERROR, data=None)

    await held.finish(Status.FAILED, batch)

    assert await ended_steps(scene, held.record.id) == [("completed", None), ("failed", ERROR)]


@pytest.mark.parametrize("status", [Status.FAILED, Status.EXPIRED])
async def test_so_has_one_that_its_worker_ends_with_the_run(scene, status):
    held = await scene.begin("hello")
    await write_partly(held, "Hel", "lo")
    batch = Batch()
    batch.step(0, {"type": "message_creation", "message": 0}, status)
    batch.close_message()
    batch.record(MessageIncomplete(0, 0, "Hello", f"run_{status}", status))
    batch.end(reason=None, error=ERROR, data=None)

    await held.finish(status, batch)

    assert await ended_steps(scene, held.record.id) == [(status, ERROR)]


async def test_a_step_of_a_run_without_an_error_has_none(scene):
    held = await scene.begin("hello")
    await write_partly(held, "Hel")

    await held.finish(Status.INCOMPLETE, Batch())

    assert await ended_steps(scene, held.record.id) == [("failed", None)]


async def test_a_call_with_an_output_gets_no_other(scene):
    held = await scene.begin()
    await held.write(begin_call(held.record, "call_1"))
    batch = Batch()
    batch.close_call("call_1")

    await held.finish(Status.FAILED, batch)

    assert [item["type"] for item in await scene.items()] == ["message", "tool_call"]


async def test_a_message_that_was_left_open_is_closed_in_the_log(scene):
    held = await scene.begin()
    await write_partly(held, "Hel", "lo")

    await held.finish(Status.FAILED, Batch())

    events = await scene.events(held.record.id)
    incomplete = next(event for event in events if event.event == "thread.message.incomplete")
    assert incomplete.data["content"][0]["text"]["value"] == "Hello"
    assert incomplete.data["incomplete_details"] == {"reason": "run_failed"}
    assert await scene.texts() == ["hello"]


async def test_a_lost_answer_still_names_the_next_run(scene, client):
    held = await scene.begin()
    second = await scene.enqueue("second")

    client.lose_next_answer()
    dispatch = await held.finish(Status.COMPLETED, Batch())

    assert client.outcomes[-2:] == ["ok", "again"]
    assert dispatch == Dispatch(second.run_id, "tm")


async def test_a_holder_whose_run_was_taken_over_cannot_end_it(scene, client):
    held = await scene.begin()
    run = await scene.record(held.record.id)
    await scene.send(scene.commands.reclaim(run.id, run.holder, run.token))
    await scene.claim(run.id, OTHER)
    before = await scene.contents()

    with pytest.raises(LostRun):
        await held.finish(Status.COMPLETED, Batch())

    assert client.outcomes[-1] == "stale"
    assert await scene.contents() == before


@pytest.mark.parametrize(("serial", "outcome"), [(1, "refused"), (4, "rewound")])
async def test_an_end_with_a_wrong_serial_changes_nothing(scene, serial, outcome):
    held = await scene.begin()
    token = (await scene.record(held.record.id)).token
    for text in "ab":
        await write_partly(held, text)
    before = await scene.contents()

    command = scene.commands.finish(held.record.id, token, serial, write=Write())
    assert await scene.send(command) == [outcome]
    assert await scene.contents() == before


async def test_log_and_record_live_on_for_their_time(scene):
    held = await scene.begin(log_seconds=60, run_days=2)
    assert await scene.ttl(scene.keys.log(held.record.id)) == -1

    await write_partly(held, "Hello!")
    await held.finish(Status.COMPLETED, end_message(held.record, "Hello!"))

    keys, run_id = scene.keys, held.record.id
    assert await scene.ttl(keys.log(run_id)) == pytest.approx(60, abs=1)
    assert await scene.ttl(keys.run(run_id)) == pytest.approx(2 * 86_400, abs=1)
    assert await scene.ttl(keys.steps(run_id)) == pytest.approx(2 * 86_400, abs=1)
    assert await scene.ttl(keys.thread(scene.thread_id)) == -1


async def test_a_record_without_any_lifetime_is_gone_at_once(scene):
    held = await scene.begin(run_days=1e-9)

    await held.finish(Status.COMPLETED, Batch())

    assert await scene.store.runs.record(held.record.id) is None


async def test_a_thread_forgets_runs_whose_records_must_be_gone(scene):
    # Twice as long is longer than a run of this test takes, which would forget itself at its end.
    runs, lifetime = scene.keys.runs(scene.thread_id), 0.25
    first = await scene.begin(run_days=lifetime / 86_400)
    await first.finish(Status.COMPLETED, Batch())
    second = await scene.begin(run_days=lifetime / 86_400)
    await scene.passes(second.record.created_at + int(2 * lifetime * 1000))
    assert await scene.command("ZRANGE", runs, 0, -1) == [
        first.record.id,
        second.record.id,
    ]

    await second.finish(Status.COMPLETED, Batch())

    assert await scene.command("ZRANGE", runs, 0, -1) == []


@pytest.mark.parametrize(("is_begun", "state"), [(False, "not executed"), (True, "no output")])
async def test_a_call_that_was_open_at_the_end_is_not_shown_as_done(scene, is_begun, state):
    held = await scene.begin()
    batch = begin_call(held.record, "call_1", is_begun=is_begun)
    batch.leave_call("call_1", {"type": "tool_output", "call_id": "call_1", "output": "not begun"})
    await held.write(batch)

    await held.finish(Status.FAILED, Batch())

    details = await read_run_details(scene.store, held.record.id)
    assert [call.state for call in details.calls] == [state]
