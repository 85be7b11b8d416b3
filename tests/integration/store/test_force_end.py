"""force: a run in progress is ended without its worker, and keeps the text that it has."""

from __future__ import annotations

import pytest
from tests.support.store.scene import begin_call, end_message, write_partly

from threadmill_shared import ids
from threadmill_shared.records.changes import Dispatch, Ended
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.interruption import LostRun

HOUR_MS = 3_600_000


async def test_a_cancelled_run_whose_worker_is_silent_ends_with_its_partial_message(scene, client):
    held = await scene.begin("hello")
    following = await scene.enqueue("next")
    await write_partly(held, "Once upon", " a time")
    await scene.store.runs.cancel(held.record.id)

    ended = await scene.store.runs.force_end(held.record.id)

    assert client.outcomes[-1] == "ok"
    assert ended == Ended(Status.CANCELLED, Dispatch(following.run_id, "tm"))
    [_, partial, _] = await scene.store.threads.messages(scene.thread_id, 10, None, None)
    assert (partial.text, partial.status) == ("Once upon a time", "incomplete")
    assert partial.incomplete_reason == "run_cancelled"
    assert await scene.event_names(held.record.id) == [
        *("thread.run.created", "thread.run.queued", "thread.run.in_progress"),
        *("thread.run.step.created", "thread.run.step.in_progress"),
        *("thread.message.created", "thread.message.in_progress"),
        *("thread.message.delta", "thread.message.delta", "thread.run.cancelling"),
        *("thread.message.incomplete", "thread.run.step.cancelled"),
        *("thread.run.cancelled", "done"),
    ]


async def test_its_worker_can_write_no_more(scene):
    held = await scene.begin()
    await scene.store.runs.cancel(held.record.id)
    await scene.store.runs.force_end(held.record.id)
    before = await scene.contents()

    with pytest.raises(LostRun):
        await write_partly(held, "too late")

    assert await scene.contents() == before


async def test_a_run_past_its_deadline_expires_with_an_error(scene):
    held = await scene.begin(run_seconds=0)
    await write_partly(held, "slow")
    error = LastError.of("deadline", "too slow")

    ended = await scene.store.runs.force_end(
        held.record.id, status=Status.EXPIRED, last_error=error
    )

    assert ended == Ended(Status.EXPIRED, None)
    record = await scene.record(held.record.id)
    assert record.last_error == error
    [_, partial] = await scene.store.threads.messages(scene.thread_id, 10, None, None)
    assert partial.incomplete_reason == "run_expired"


async def test_a_run_that_is_being_cancelled_ends_as_cancelled_whatever_is_wanted(scene):
    held = await scene.begin()
    await write_partly(held, "slow")
    await scene.store.runs.cancel(held.record.id)
    error = LastError.of("deadline", "too slow")

    ended = await scene.store.runs.force_end(
        held.record.id, status=Status.EXPIRED, last_error=error
    )

    assert ended == Ended(Status.CANCELLED, None)
    assert (await scene.record(held.record.id)).last_error is None
    [_, partial] = await scene.store.threads.messages(scene.thread_id, 10, None, None)
    assert partial.incomplete_reason == "run_cancelled"


async def test_open_calls_get_their_closing_outputs(scene):
    held = await scene.begin()
    await held.write(begin_call(held.record, "call_1"))
    await scene.store.runs.cancel(held.record.id)

    await scene.store.runs.force_end(held.record.id)

    assert [item["type"] for item in await scene.items()] == [
        "message",
        "tool_call",
        "tool_output",
    ]


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_before_its_time_nothing_happens(scene, client, is_cancelled):
    held = await scene.begin()
    if is_cancelled:
        await scene.store.runs.cancel(held.record.id)
    before = await scene.contents()

    assert await scene.store.runs.force_end(held.record.id, grace_ms=HOUR_MS) is None
    assert client.outcomes[-1] == "early"
    assert await scene.contents() == before


async def test_a_run_that_has_moved_on_since_it_was_read_is_left_alone(scene):
    held = await scene.begin()
    await scene.store.runs.cancel(held.record.id)
    record = await scene.record(held.record.id)
    await write_partly(held, "one more")
    before = await scene.contents()

    reply = await scene.send(scene.commands.force_end(record.id, record.token, record.events))

    assert reply == ["moved"]
    assert await scene.contents() == before


async def test_a_run_that_moves_on_while_its_text_is_read_is_read_again(scene, monkeypatch):
    held = await scene.begin()
    await write_partly(held, "one")
    await scene.store.runs.cancel(held.record.id)
    open_text, more = scene.store.logs.open_text, [" two", " three"]

    async def read_while_it_grows(record):
        text = await open_text(record)
        if more:
            held.delta(0, more.pop(0))
            await held.stored()
        return text

    monkeypatch.setattr(scene.store.logs, "open_text", read_while_it_grows)
    await scene.store.runs.force_end(held.record.id)

    assert await scene.texts() == ["hello", "one two three"]


async def test_a_run_that_nobody_holds_is_left_alone(scene):
    queued = await scene.enqueue()

    assert await scene.store.runs.force_end(queued.run_id) is None
    assert await scene.status(queued.run_id) is Status.QUEUED


async def test_a_run_that_was_given_back_since_it_was_read_is_left_alone(scene):
    held = await scene.begin(run_seconds=0)
    record = await scene.record(held.record.id)
    await held.release()
    before = await scene.contents()

    reply = await scene.send(scene.commands.force_end(record.id, record.token, record.events))

    assert reply == ["moved"]
    assert await scene.contents() == before


async def test_a_run_that_nobody_goes_on_with_ends_at_its_deadline_too(scene):
    held = await scene.begin(run_seconds=0)
    await held.release()

    ended = await scene.store.runs.force_end(held.record.id, status=Status.EXPIRED)

    assert ended == Ended(Status.EXPIRED, None)
    assert await scene.members("dispatched") == []


@pytest.mark.parametrize("is_in_line", [False, True])
async def test_a_run_that_has_waited_too_long_for_its_first_claim_expires(scene, is_in_line):
    if is_in_line:
        await scene.begin()
    waiting = await scene.enqueue(wait_seconds=0)

    ended = await scene.store.runs.force_end(waiting.run_id, status=Status.EXPIRED)

    assert ended == Ended(Status.EXPIRED, None)
    assert (await scene.event_names(waiting.run_id))[-2:] == ["thread.run.expired", "done"]


async def test_the_limit_for_waiting_ends_with_the_first_claim(scene):
    held = await scene.begin(wait_seconds=0)

    assert await scene.store.runs.force_end(held.record.id, status=Status.EXPIRED) is None
    assert held.seconds_left == pytest.approx(600, abs=1)


async def test_a_run_that_has_ended_stays_as_it_is(scene):
    held = await scene.begin()
    record = await scene.record(held.record.id)
    await held.finish(Status.COMPLETED, Batch())
    before = await scene.contents()

    reply = await scene.send(scene.commands.force_end(record.id, record.token, record.events))

    assert reply == ["ended"]
    assert await scene.store.runs.force_end(record.id) is None
    assert await scene.contents() == before


async def test_a_run_that_is_not_there_is_not_ended(scene):
    run_id = ids.new_run_id(scene.thread_id)

    assert await scene.send(scene.commands.force_end(run_id, "1-0", 3)) == ["gone"]
    assert await scene.store.runs.force_end(run_id) is None


async def test_a_lost_answer_still_names_the_next_run(scene, client):
    held = await scene.begin()
    following = await scene.enqueue()
    await scene.store.runs.cancel(held.record.id)

    client.lose_next_answer()
    ended = await scene.store.runs.force_end(held.record.id)

    assert client.outcomes[-2:] == ["ok", "again"]
    assert ended == Ended(Status.CANCELLED, Dispatch(following.run_id, "tm"))


async def test_the_step_that_a_runs_error_has_ended_has_that_error(scene):
    held = await scene.begin(run_seconds=0)
    await write_partly(held, "Done.")
    await held.write(end_message(held.record, "Done."))
    await write_partly(held, "slow", number=1, step=1)
    error = LastError.of("deadline", "too slow")

    await scene.store.runs.force_end(held.record.id, status=Status.EXPIRED, last_error=error)

    done, open_step = await scene.store.runs.steps(held.record.id)
    assert (done.status, done.last_error) == ("completed", None)
    assert (open_step.status, open_step.last_error) == ("expired", error)
    assert await scene.store.run_pages.step(held.record.id, open_step.id) == open_step
    assert await scene.ttl(scene.keys.steps(held.record.id)) > 0


async def test_a_step_of_a_cancelled_run_has_no_error_though_its_worker_brings_one(scene):
    held = await scene.begin()
    await write_partly(held, "slow")
    await scene.store.runs.cancel(held.record.id)
    batch = Batch()
    batch.end(reason=None, error=LastError.of("ModelRefused", "no"), data=None)

    await held.finish(Status.FAILED, batch)

    [step] = await scene.store.runs.steps(held.record.id)
    assert (step.status, step.last_error) == ("cancelled", None)


async def test_the_time_of_a_cancellation_is_read(scene):
    held = await scene.begin()
    assert (await scene.record(held.record.id)).cancelled_at is None

    await scene.store.runs.cancel(held.record.id)

    record = await scene.record(held.record.id)
    assert record.started_at <= record.cancelled_at
    await scene.store.runs.force_end(held.record.id)
    assert (await scene.record(held.record.id)).cancelled_at == record.cancelled_at
