"""When a run expires: events and the run's object say it whenever that is limited."""

from __future__ import annotations

from tests.support.store.scene import CALL, OTHER, Scene, park_call

from threadmill_shared.events.api_objects import run_object
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch


async def told(scene: Scene, run_id: str) -> dict[str, int | None]:
    """What the events of a run's statuses say; the last one of each status."""
    return {
        event.event.removeprefix("thread.run."): event.data["expires_at"]
        for event in await scene.events(run_id)
        if event.event.startswith("thread.run.") and event.data["object"] == "thread.run"
    }


async def shown(scene: Scene, run_id: str) -> int | None:
    """What the run's object says now."""
    at: int | None = run_object(await scene.record(run_id))["expires_at"]
    return at


async def deadline(scene: Scene, run_id: str) -> int:
    at = (await scene.record(run_id)).deadline
    assert at is not None
    return at // 1000


async def test_a_run_that_waits_without_limit_does_not_expire(scene):
    run_id = (await scene.enqueue()).run_id
    assert await told(scene, run_id) == {"created": None, "queued": None}
    assert await shown(scene, run_id) is None


async def test_a_run_whose_waiting_is_limited_says_so_from_the_beginning(scene):
    await scene.enqueue()
    for run_id in [
        (await scene.enqueue(wait_seconds=50, thread_id=thread_id)).run_id
        for thread_id in (scene.thread_id, scene.thread_id[:-1] + "f")
    ]:
        at = await deadline(scene, run_id)
        record = await scene.record(run_id)
        assert at == (record.created_at + 50_000) // 1000
        assert await told(scene, run_id) == {"created": at, "queued": at}
        assert await shown(scene, run_id) == at


async def test_the_deadline_of_a_run_in_progress_stays_over_a_takeover(scene):
    held = await scene.begin()
    run_id, at = held.record.id, await deadline(scene, held.record.id)
    await held.release()
    assert (await told(scene, run_id))["queued"] == at
    await scene.claim(run_id, OTHER)
    assert (await told(scene, run_id))["in_progress"] == at
    await scene.store.runs.cancel(run_id)
    assert (await told(scene, run_id))["cancelling"] == await shown(scene, run_id) == at
    [cancelling] = [one for one in await scene.events(run_id) if one.event.endswith("cancelling")]
    assert cancelling.data["started_at"] == held.record.started_at // 1000


async def test_a_parked_run_has_another_deadline_until_it_is_answered(scene):
    held = await scene.begin()
    run_id, before = held.record.id, await deadline(scene, held.record.id)

    await held.park(park_call(held, "approval"), 7_000_000)
    at = await deadline(scene, run_id)
    assert at > before
    assert (await told(scene, run_id))["requires_action"] == await shown(scene, run_id) == at

    await scene.store.parked_runs.approve(run_id, CALL)
    at = await deadline(scene, run_id)
    assert before <= at < before + 60
    assert (await told(scene, run_id))["queued"] == await shown(scene, run_id) == at


async def test_a_run_that_has_ended_expires_no_more(scene):
    for status in (Status.COMPLETED, Status.FAILED, Status.INCOMPLETE, Status.EXPIRED):
        held = await scene.begin()
        await held.finish(status, Batch())
        assert (await told(scene, held.record.id))[status] is None
        assert await shown(scene, held.record.id) is None
