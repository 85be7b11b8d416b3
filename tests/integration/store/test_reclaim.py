"""reclaim: somebody takes a run away from a holder that is gone."""

from __future__ import annotations

import pytest
from tests.support.store.scene import HOLDER, OTHER, begin_call, write_partly

from threadmill_shared.records.changes import Dispatch, Ended, Reclaimed
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.interruption import LostRun


async def test_the_run_is_queued_again_under_no_token(scene, client):
    held = await scene.begin()
    record = await scene.record(held.record.id)

    taken = await scene.store.runs.reclaim(record)

    assert taken == Reclaimed("ok", Dispatch(record.id, "tm", begun=True), 0, is_first=True)
    assert client.outcomes[-1] == "ok"
    after = await scene.record(record.id)
    assert (after.status, after.token, after.holder) == (Status.QUEUED, "", "")
    assert await scene.members("dispatched") == [record.id]
    assert await scene.members("deadlines") == [record.id]  # which goes on
    for index in ("holders", f"held:{HOLDER.id}"):
        assert await scene.members(index) == []


async def test_a_holder_that_was_not_gone_after_all_stops(scene):
    held = await scene.begin()
    await scene.store.runs.reclaim(await scene.record(held.record.id))
    before = await scene.contents()

    with pytest.raises(LostRun):
        await write_partly(held, "from the grave")

    assert await scene.contents() == before


async def test_the_text_of_the_former_attempt_and_of_the_next_one_do_not_mix(scene):
    held = await scene.begin()
    await write_partly(held, "The first ")
    await scene.store.runs.reclaim(await scene.record(held.record.id))
    again = await scene.claim(held.record.id, OTHER)
    number = again.record.next_message

    await write_partly(again, "The second", number=number, step=again.record.next_step)

    assert number == 1
    texts: dict[str, str] = {}
    for event in await scene.events(held.record.id):
        if event.event == "thread.message.delta":
            [part] = event.data["delta"]["content"]
            texts[event.data["id"]] = texts.get(event.data["id"], "") + part["text"]["value"]
    assert list(texts.values()) == ["The first ", "The second"]


async def test_two_that_reclaim_at_once_do_it_once(scene):
    held = await scene.begin()
    record = await scene.record(held.record.id)
    await scene.store.runs.reclaim(record)
    await scene.claim(record.id, OTHER)
    before = await scene.contents()

    reply = await scene.send(scene.commands.reclaim(record.id, record.holder, record.token))

    assert reply == ["moved"]
    assert await scene.contents() == before


async def test_a_run_that_has_ended_meanwhile_stays_as_it_is(scene):
    held = await scene.begin()
    record = await scene.record(held.record.id)
    await held.finish(Status.COMPLETED, Batch())
    before = await scene.contents()

    assert (await scene.store.runs.reclaim(record)).outcome == "moved"
    assert await scene.contents() == before


async def test_a_run_that_is_being_cancelled_is_to_be_ended_by_force(scene):
    held = await scene.begin()
    record = await scene.record(held.record.id)
    await scene.store.runs.cancel(record.id)
    before = await scene.contents()

    assert (await scene.store.runs.reclaim(record)).outcome == "cancelling"
    assert await scene.contents() == before


async def test_a_lost_answer_is_answered_again(scene, client):
    held = await scene.begin()
    record = await scene.record(held.record.id)

    client.lose_next_answer()
    taken = await scene.store.runs.reclaim(record)

    assert client.outcomes[-2:] == ["ok", "again"]
    assert taken == Reclaimed("ok", Dispatch(record.id, "tm", begun=True), 0)


# ---- how often a run's workers may die ---------------------------------------------------------


async def die(scene, run_id: str, max_deaths: int = 3) -> Reclaimed:
    """The run's holder dies."""
    return await scene.store.runs.reclaim(await scene.record(run_id), max_deaths=max_deaths)


async def test_a_run_comes_back_at_once_at_first_then_after_longer_and_longer_pauses(scene):
    run_id = (await scene.enqueue()).run_id
    pauses = []
    for _ in range(5):
        await scene.claim(run_id)
        pauses.append((await die(scene, run_id)).pause_seconds)

    assert pauses[0] == 0
    for pause, about in zip(pauses[1:], (1, 5, 20, 20), strict=True):
        assert 0.75 * about <= pause <= 1.25 * about


async def test_a_run_that_waits_for_a_model_may_lose_three_times_as_many_workers(scene):
    run_id = (await scene.enqueue()).run_id
    outcomes = []
    for _ in range(9):
        await scene.claim(run_id)
        outcomes.append((await die(scene, run_id)).outcome)

    assert outcomes == ["ok"] * 8 + ["spent"]


async def test_a_run_that_dies_in_its_tool_calls_is_given_up_at_the_limit(scene):
    held = await scene.begin()
    await held.write(begin_call(held.record, "call_1"))
    outcomes = [(await die(scene, held.record.id)).outcome]
    for _ in range(2):
        await scene.claim(held.record.id)
        outcomes.append((await die(scene, held.record.id)).outcome)

    assert outcomes == ["ok", "ok", "spent"]


async def test_a_finished_turn_forgets_the_deaths_but_not_those_in_tool_calls(scene):
    held = await scene.begin()
    await held.write(begin_call(held.record, "call_1"))
    await die(scene, held.record.id)
    held = await scene.claim(held.record.id)
    turn = Batch()
    turn.forget_deaths()
    await held.write(turn)

    again = await die(scene, held.record.id)

    assert (again.outcome, again.pause_seconds) == ("ok", 0)
    await scene.claim(held.record.id)
    assert (await die(scene, held.record.id)).outcome == "spent"


async def test_what_is_no_fault_of_the_run_does_not_count(scene):
    run_id = (await scene.enqueue()).run_id
    for _ in range(20):
        await scene.claim(run_id)
        assert (await scene.store.runs.reclaim(await scene.record(run_id))).outcome == "ok"


async def test_a_run_that_is_given_up_changes_nothing_until_it_is_ended(scene):
    held = await scene.begin()
    await held.write(begin_call(held.record, "call_1"))
    before = await scene.contents()

    assert (await die(scene, held.record.id, max_deaths=1)).outcome == "spent"
    assert await scene.contents() == before

    error = LastError.of("worker_lost", "gone")
    following = await scene.enqueue("next")
    ended = await scene.store.runs.force_end(
        held.record.id, status=Status.FAILED, lost=held.token, last_error=error
    )
    assert ended == Ended(Status.FAILED, Dispatch(following.run_id, "tm"))
    assert (await scene.record(held.record.id)).last_error == error


async def test_a_run_is_given_up_only_in_the_attempt_that_was_judged(scene):
    held = await scene.begin()
    judged = held.token
    await scene.store.runs.reclaim(await scene.record(held.record.id))
    await scene.claim(held.record.id, OTHER)

    assert (
        await scene.store.runs.force_end(held.record.id, status=Status.FAILED, lost=judged) is None
    )
    assert await scene.status(held.record.id) is Status.IN_PROGRESS


async def test_open_calls_of_a_run_that_is_given_up_get_their_closing_outputs(scene):
    held = await scene.begin()
    await held.write(begin_call(held.record, "call_1"))
    await scene.store.runs.force_end(held.record.id, status=Status.FAILED, lost=held.token)
    assert [item["type"] for item in await scene.items()][1:3] == ["tool_call", "tool_output"]
