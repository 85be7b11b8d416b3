"""delete: a thread that no run holds goes, and its runs with it."""

from __future__ import annotations

import pytest
from tests.support.store.scene import write_partly

from threadmill_shared import errors
from threadmill_shared.records.run import Status
from threadmill_shared.store import threads
from threadmill_shared.store.batch import Batch


async def test_a_thread_goes_with_its_messages_runs_and_logs(scene, client):
    for _ in range(3):
        held = await scene.begin()
        await write_partly(held, "Hello!")
        await held.finish(Status.COMPLETED, Batch())

    await scene.store.threads.delete(scene.thread_id)

    assert client.outcomes[-1] == "ok"
    assert [key.split(":")[1] for key in await scene.contents()] == ["deleted"]


async def test_many_runs_go_in_pages(scene, monkeypatch):
    monkeypatch.setattr(threads, "PAGE", 2)
    for _ in range(5):
        run = await scene.enqueue()
        await scene.store.runs.cancel(run.run_id)

    await scene.store.threads.delete(scene.thread_id)

    assert [key.split(":")[1] for key in await scene.contents()] == ["deleted"]


async def test_a_caller_that_dies_between_thread_and_runs_leaves_nothing_for_ever(scene):
    run = await scene.enqueue()
    await scene.store.runs.cancel(run.run_id)

    await scene.send(scene.commands.delete_thread(scene.thread_id))

    tomb = scene.keys.tomb(scene.thread_id)
    assert await scene.ttl(tomb) == pytest.approx(3600, abs=1)


async def test_a_thread_that_is_not_there_is_an_error(scene, client):
    with pytest.raises(errors.ThreadNotFound):
        await scene.store.threads.delete(scene.thread_id)

    assert client.outcomes == ["no_thread"]


async def test_a_thread_that_a_run_holds_stays(scene, client):
    held = await scene.begin()
    before = await scene.contents()

    with pytest.raises(errors.ThreadLocked) as refused:
        await scene.store.threads.delete(scene.thread_id)

    assert client.outcomes[-1] == "locked"
    assert refused.value.run_id == held.record.id
    assert await scene.contents() == before


async def test_a_lost_answer_is_no_error(scene, client):
    run = await scene.enqueue()
    await scene.store.runs.cancel(run.run_id)

    client.lose_next_answer()
    await scene.store.threads.delete(scene.thread_id)

    assert client.outcomes[-3:] == ["ok", "again", "ok"]  # the last one removes the run


async def test_a_deleted_thread_can_begin_anew_under_its_id(scene):
    await scene.store.runs.cancel((await scene.enqueue("old")).run_id)
    await scene.store.threads.delete(scene.thread_id)

    await scene.enqueue("new")

    assert await scene.texts() == ["new"]
    assert await scene.store.threads.last_position(scene.thread_id) == 1


async def test_who_deletes_a_second_time_is_told_that_there_is_no_thread(scene, client):
    await scene.store.runs.cancel((await scene.enqueue()).run_id)
    await scene.store.threads.delete(scene.thread_id)

    with pytest.raises(errors.ThreadNotFound):
        await scene.store.threads.delete(scene.thread_id)

    assert client.outcomes[-1] == "no_thread"


async def test_a_late_repeat_does_not_delete_a_thread_that_was_made_anew(scene, client):
    await scene.store.runs.cancel((await scene.enqueue("old")).run_id)
    delete = scene.commands.delete_thread(scene.thread_id)
    await scene.send(delete)
    await scene.store.runs.cancel((await scene.enqueue("new")).run_id)

    await scene.send(delete)

    assert client.outcomes[-1] == "again"
    assert await scene.texts() == ["new"]


@pytest.mark.parametrize("is_swept", [True, False])
async def test_a_key_is_free_again_when_its_run_went_with_its_thread(scene, is_swept):
    old = await scene.enqueue(idempotency_key="monday")
    await scene.store.runs.cancel(old.run_id)
    if is_swept:
        await scene.store.threads.delete(scene.thread_id)
    else:  # the caller dies before it has removed the runs
        await scene.send(scene.commands.delete_thread(scene.thread_id))

    new = await scene.enqueue("something else", idempotency_key="monday")

    assert new.created
    assert await scene.ttl(scene.keys.idempotency(scene.thread_id, "monday")) == -1
    again = await scene.enqueue("something else", idempotency_key="monday")
    assert again.run_id == new.run_id
