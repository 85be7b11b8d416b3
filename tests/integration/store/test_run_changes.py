"""Who follows runs is told of each change of those that fit, once."""

from __future__ import annotations

import pytest

from threadmill.inspection.run_list import RunChanges, read_runs
from threadmill_shared import ids
from threadmill_shared.records.list_filters import RunFilter
from threadmill_shared.records.run import Status

pytestmark = pytest.mark.one_server


async def changes(scene, **wanted):
    listed = await read_runs(scene.store, RunFilter(**wanted), 20)
    found = RunChanges(scene.store, RunFilter(**wanted))
    await found.begin(listed)
    return found


async def told(found):
    return [(one.id, one.status) for one in await found.next()]


async def test_a_run_is_told_when_it_is_created_claimed_and_ended(scene):
    followed = await changes(scene)
    assert await told(followed) == []
    run_id = (await scene.enqueue()).run_id
    assert await told(followed) == [(run_id, "queued")]
    assert await told(followed) == []
    await scene.claim(run_id)
    assert await told(followed) == [(run_id, "in_progress")]
    await scene.store.runs.cancel(run_id)
    await scene.store.runs.force_end(run_id)
    assert await told(followed) == [(run_id, "cancelled")]
    assert await told(followed) == []


async def test_one_that_was_there_before_is_told_when_it_changes(scene):
    run_id = (await scene.enqueue()).run_id
    followed = await changes(scene)
    assert await told(followed) == []
    await scene.store.runs.cancel(run_id)
    assert await told(followed) == [(run_id, "cancelled")]


async def test_one_that_had_ended_before_the_list_was_read_is_told_by_the_list_alone(scene):
    run_ids = []
    for _ in range(2):
        run_ids.append((await scene.enqueue(thread_id=ids.new_thread_id())).run_id)
        await scene.store.runs.cancel(run_ids[-1])
    ended_at = (await scene.record(run_ids[-1])).ended_at
    await scene.passes(ended_at)
    listed = await read_runs(scene.store, RunFilter(), 1)
    followed = RunChanges(scene.store, RunFilter())
    await followed.begin(listed)
    assert await told(followed) == []


async def test_one_that_changes_between_the_list_and_the_first_look_is_told(scene):
    run_id = (await scene.enqueue()).run_id
    listed = await read_runs(scene.store, RunFilter(), 20)
    await scene.passes(listed.read_at)
    await scene.store.runs.cancel(run_id)
    followed = RunChanges(scene.store, RunFilter())
    await followed.begin(listed)
    assert await told(followed) == [(run_id, "cancelled")]
    assert await told(followed) == []


async def test_one_that_ends_before_anybody_looks_is_told_once(scene):
    followed = await changes(scene)
    run_id = (await scene.enqueue()).run_id
    await scene.store.runs.cancel(run_id)
    assert await told(followed) == [(run_id, "cancelled")]
    other = (await scene.enqueue(thread_id=ids.new_thread_id())).run_id
    assert await told(followed) == [(other, "queued")]


async def test_one_that_no_longer_fits_is_told_once_more(scene):
    followed = await changes(scene, status=Status.QUEUED)
    run_id = (await scene.enqueue()).run_id
    assert await told(followed) == [(run_id, "queued")]
    held = await scene.claim(run_id)
    assert await told(followed) == [(run_id, "in_progress")]
    await held.release()
    assert await told(followed) == [(run_id, "queued")]


async def test_one_that_comes_to_fit_is_told_then(scene):
    followed = await changes(scene, status=Status.CANCELLED)
    run_id = (await scene.enqueue()).run_id
    assert await told(followed) == []
    await scene.store.runs.cancel(run_id)
    assert await told(followed) == [(run_id, "cancelled")]


async def test_one_whose_thread_is_deleted_is_forgotten(scene):
    followed = await changes(scene)
    run_id = (await scene.enqueue()).run_id
    await told(followed)
    await scene.store.runs.cancel(run_id)
    await scene.store.threads.delete(scene.thread_id)
    assert await told(followed) == []


async def test_a_list_has_as_many_as_are_wanted_over_several_pages(scene, monkeypatch):
    monkeypatch.setattr("threadmill.inspection.run_list.PAGE", 2)
    run_ids = [(await scene.enqueue()).run_id for _ in range(5)]
    found = await read_runs(scene.store, RunFilter(), 3)
    assert [one.id for one in found.runs] == run_ids[2:]
    found = await read_runs(scene.store, RunFilter(), 100)
    assert [one.id for one in found.runs] == run_ids
