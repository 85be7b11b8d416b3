"""A run's metadata: as they were enqueued, and as somebody has changed them since."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.store.scene import REQUEST, Scene, end_message, write_partly

from threadmill_shared import errors, ids
from threadmill_shared.events.decoder import LogDecoder
from threadmill_shared.records.definition import RunOptions
from threadmill_shared.records.list_filters import RunFilter
from threadmill_shared.records.page import PageQuery
from threadmill_shared.records.run import RunRecord, Status
from threadmill_workers.execution.held_run import HeldRun

GIVEN = {"order": "7"}
CHANGED = {"order": "8", "paid": "ja"}


async def begin(scene: Scene) -> HeldRun:
    request = REQUEST.model_copy(update={"options": RunOptions(metadata=GIVEN)})
    return await scene.begin(request=request)


async def end(held: HeldRun) -> None:
    await write_partly(held, "Well.")
    await held.finish(Status.COMPLETED, end_message(held.record, "Well."))


async def of_events(scene: Scene, record: RunRecord) -> list[Any]:
    """The metadata in the run's events, for a reader who has read this record."""
    decoder = LogDecoder(record)
    entries = await scene.store.logs.entries(record.id, 0)
    events = [event for entry in entries for event in decoder.events(entry)]
    return [event.data["metadata"] for event in events if event.event.startswith("thread.run.c")]


async def test_they_are_those_of_the_request_until_they_are_changed(scene: Scene) -> None:
    held = await begin(scene)
    assert (await scene.record(held.record.id)).metadata == GIVEN

    for metadata in (CHANGED, {}):
        await scene.store.runs.set_metadata(held.record.id, metadata)
        assert (await scene.record(held.record.id)).metadata == metadata
    assert (await scene.record(held.record.id)).request.options.metadata == GIVEN


async def test_lists_have_the_changed_ones(scene: Scene) -> None:
    held = await begin(scene)
    await scene.store.runs.set_metadata(held.record.id, CHANGED)

    [listed] = await scene.store.lists.runs(RunFilter(), 5, None)
    page = await scene.store.run_pages.runs(scene.thread_id, PageQuery())

    assert listed.metadata == page.data[0].metadata == CHANGED


async def test_a_run_that_has_ended_keeps_its_lifetime_and_takes_them(scene: Scene) -> None:
    held = await begin(scene)
    await end(held)
    key = scene.keys.run(held.record.id)
    before = await scene.ttl(key)

    await scene.store.runs.set_metadata(held.record.id, CHANGED)

    assert before - 5 < await scene.ttl(key) <= before
    assert (await scene.record(held.record.id)).metadata == CHANGED


async def test_a_run_that_is_not_there_takes_none(scene: Scene) -> None:
    for run_id in (ids.new_run_id(scene.thread_id), "run_00" + "0" * 30):
        with pytest.raises(errors.RunNotFound):
            await scene.store.runs.set_metadata(run_id, CHANGED)
        assert not await scene.command("EXISTS", scene.keys.run(run_id))


async def test_the_last_event_of_a_run_has_them_for_whoever_follows_it(scene: Scene) -> None:
    held = await begin(scene)
    followed_since_before = await scene.record(held.record.id)
    await scene.store.runs.set_metadata(held.record.id, CHANGED)
    await end(held)

    assert await of_events(scene, followed_since_before) == [GIVEN, CHANGED]
    assert await of_events(scene, await scene.record(held.record.id)) == [CHANGED, CHANGED]


async def test_events_that_are_read_later_have_those_that_came_after_the_end(scene: Scene) -> None:
    held = await begin(scene)
    await scene.store.runs.set_metadata(held.record.id, {"order": "9"})
    await end(held)
    await scene.store.runs.set_metadata(held.record.id, CHANGED)

    assert await of_events(scene, await scene.record(held.record.id)) == [CHANGED, CHANGED]


async def test_a_record_without_a_request_that_can_be_read_has_those_that_were_changed(
    scene: Scene,
) -> None:
    fields = {"thread_id": scene.thread_id, "status": "queued", "queue": "tm", "request": "?"}

    assert RunRecord.read("run_1", fields).metadata == {}
    assert RunRecord.read("run_1", fields | {"metadata": '{"a":"b"}'}).metadata == {"a": "b"}
