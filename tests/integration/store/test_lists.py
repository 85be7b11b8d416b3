"""Lists: pages of all runs and threads, merged from all buckets, newest first."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from pydantic_core import to_json
from tests.support.store.lists import all_pages, expired_run, forget_indexes, noted_as_complete
from tests.support.store.scene import REQUEST, Scene

from threadmill_shared import ids
from threadmill_shared.records.changes import Enqueued
from threadmill_shared.records.definition import Definition, RunSnapshot
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.list_filters import RunFilter, Span, ThreadFilter
from threadmill_shared.records.run import Status
from threadmill_shared.store import lists
from threadmill_shared.store.batch import Batch


async def enqueue_on_new_threads(scene: Scene, count: int, **options: Any) -> list[str]:
    """Runs, each on a thread of its own and in a millisecond of its own, the newest first."""
    return [(await elsewhere(scene, **options)).run_id for _ in range(count)][::-1]


async def elsewhere(scene: Scene, **options: Any) -> Enqueued:
    run = await scene.enqueue(thread_id=ids.new_thread_id(), **options)
    await scene.passes((await scene.record(run.run_id)).created_at)
    return run


def assistant(name: str, id: str | None = None) -> RunSnapshot:
    id = id or ids.named_assistant_id(name)
    return REQUEST.model_copy(update={"assistant_name": name, "assistant_id": id})


async def fail(scene: Scene, run_id: str, name: str) -> None:
    held = await scene.claim(run_id)
    batch = Batch()
    batch.changes.fields["last_error"] = to_json(LastError.of(name, "no luck")).decode()
    await held.finish(Status.FAILED, batch)


async def run_ids(scene: Scene, limit: int = 100, **wanted: Any) -> list[str]:
    page = await scene.store.lists.runs(RunFilter(**wanted), limit, None)
    return [record.id for record in page]


async def thread_ids(scene: Scene, **wanted: Any) -> list[str]:
    page = await scene.store.lists.threads(ThreadFilter(**wanted), 100, None)
    return [record.id for record in page]


@pytest.mark.parametrize("limit", [1, 7, 20, 50, 1000])
async def test_pages_join_to_all_runs_newest_first(scene, limit):
    runs = await enqueue_on_new_threads(scene, 50)

    found = await all_pages(lambda cursor: scene.store.lists.runs(RunFilter(), limit, cursor))

    assert [record.id for page in found for record in page] == runs
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)


async def test_runs_that_are_created_meanwhile_do_not_shift_the_next_page(scene):
    runs = await enqueue_on_new_threads(scene, 10)
    first = await scene.store.lists.runs(RunFilter(), 5, None)
    await enqueue_on_new_threads(scene, 5)

    second = await scene.store.lists.runs(RunFilter(), 5, first.cursor)

    assert [record.id for record in (*first, *second)] == runs
    assert second.cursor is None


async def test_a_page_continues_behind_a_run_that_is_gone(scene):
    runs = await enqueue_on_new_threads(scene, 6)
    first = await scene.store.lists.runs(RunFilter(), 3, None)
    gone = await scene.record(runs[2])
    await scene.store.runs.cancel(gone.id)
    await scene.store.threads.delete(gone.thread_id)

    second = await scene.store.lists.runs(RunFilter(), 3, first.cursor)

    assert [record.id for record in second] == runs[3:]


async def test_entries_with_one_score_stand_by_their_ids_and_none_is_lost(scene):
    index = f"{scene.keys.bucket(scene.thread_id)}all_runs"
    made = [ids.new_run_id(scene.thread_id) for _ in range(40)]
    for run_id in made:
        await scene.command("ZADD", index, 1_700_000_000_000, run_id)
    reader = lists.IndexReader(
        scene.store.session, ["all_runs"], Span(), within=scene.keys.bucket(scene.thread_id)
    )

    found, after, is_over = [], None, False
    while not is_over:
        entries = await reader.read(after, 3)
        found += [entry.id for entry in entries.found]
        after, is_over = (entries.found or [after])[-1], entries.is_over

    assert found == sorted(made, reverse=True)
    await scene.command("UNLINK", index)


async def test_a_status_lists_the_runs_that_have_it_now(scene):
    waiting, running, failed = await enqueue_on_new_threads(scene, 3)
    await scene.claim(running)
    await fail(scene, failed, "ModelRefused")

    assert await run_ids(scene, status=Status.QUEUED) == [waiting]
    assert await run_ids(scene, status=Status.IN_PROGRESS) == [running]
    assert await run_ids(scene, status=Status.FAILED) == [failed]
    assert await run_ids(scene, status=Status.COMPLETED) == []


async def test_an_assistant_is_found_by_its_name_and_by_its_id(scene):
    [plain] = await enqueue_on_new_threads(scene, 1, request=assistant("Ada"))
    [created] = await enqueue_on_new_threads(scene, 1, request=assistant("Ada", "asst_0123"))
    await enqueue_on_new_threads(scene, 1, request=assistant("Bob"))

    assert await run_ids(scene, assistant="Ada") == [created, plain]
    assert await run_ids(scene, assistant="asst_0123") == [created]
    assert await run_ids(scene, assistant=ids.named_assistant_id("Ada")) == [plain]


async def test_an_error_is_found_by_its_name_and_by_its_code(scene):
    refused, lost = await enqueue_on_new_threads(scene, 2)
    await fail(scene, refused, "ModelRefused")
    await fail(scene, lost, "worker_lost")

    assert await run_ids(scene, error="ModelRefused") == [refused]
    assert await run_ids(scene, error="server_error") == [refused, lost]


async def test_a_span_has_the_runs_from_its_beginning_to_before_its_end(scene):
    runs = await enqueue_on_new_threads(scene, 3)
    times = [(await scene.record(run_id)).created_at for run_id in runs]
    await scene.passes(times[0])

    assert await run_ids(scene, span=Span(since=times[0])) == [
        run_id for run_id, at in zip(runs, times, strict=True) if at == times[0]
    ]
    assert await run_ids(scene, span=Span(until=times[0])) == [
        run_id for run_id, at in zip(runs, times, strict=True) if at < times[0]
    ]


async def test_a_span_ends_a_list_in_the_middle_of_its_pages(scene):
    old = await scene.enqueue()
    at = (await scene.record(old.run_id)).created_at
    await scene.passes(at)
    runs = await enqueue_on_new_threads(scene, 9)

    wanted = RunFilter(span=Span(since=at + 1))
    found = await all_pages(lambda cursor: scene.store.lists.runs(wanted, 2, cursor))

    assert [record.id for page in found for record in page] == runs


async def test_conditions_together_find_what_fits_all(scene):
    fits, _ = await enqueue_on_new_threads(scene, 2, request=assistant("Ada"))
    [other] = await enqueue_on_new_threads(scene, 1, request=assistant("Bob"))
    for run_id in (fits, other):
        await fail(scene, run_id, "ModelRefused")

    wanted = {"assistant": "Ada", "status": Status.FAILED, "error": "ModelRefused"}

    assert await run_ids(scene, **wanted) == [fits]
    thread = (await scene.record(fits)).thread_id
    assert await run_ids(scene, thread=thread, **wanted) == [fits]
    assert await run_ids(scene, thread=scene.thread_id, **wanted) == []


async def test_a_page_of_several_conditions_looks_at_no_more_entries_than_it_may(
    scene, monkeypatch
):
    monkeypatch.setattr(lists, "LONGEST_WALK", 4)
    [rare] = await enqueue_on_new_threads(scene, 1, request=assistant("Ada"))
    await scene.store.runs.cancel(rare)
    for run_id in await enqueue_on_new_threads(scene, 10, request=assistant("Bob")):
        await scene.store.runs.cancel(run_id)
    await enqueue_on_new_threads(scene, 15, request=assistant("Ada"))

    wanted = RunFilter(assistant="Ada", status=Status.CANCELLED)
    found = await all_pages(lambda cursor: scene.store.lists.runs(wanted, 20, cursor))

    assert [len(page) for page in found] == [0, 0, 1]
    assert [record.id for record in found[-1]] == [rare]


async def test_the_smallest_index_is_read_of_several(scene, client, monkeypatch):
    await enqueue_on_new_threads(scene, 30, request=assistant("Ada"))
    [rare] = await enqueue_on_new_threads(scene, 1, request=assistant("Bob"))
    monkeypatch.setattr(lists, "LONGEST_WALK", 1)

    assert await run_ids(scene, assistant="Bob", status=Status.QUEUED) == [rare]


async def test_a_threads_runs_are_its_own(scene):
    mine = [(await scene.enqueue()).run_id for _ in range(3)]
    await enqueue_on_new_threads(scene, 2)

    assert await run_ids(scene, thread=scene.thread_id) == mine[::-1]


async def test_a_run_whose_record_has_expired_is_left_out(scene):
    first, second = await enqueue_on_new_threads(scene, 2)
    record = await scene.record(first)
    await scene.store.runs.cancel(first)
    await scene.command("UNLINK", *(key(first) for key in (scene.keys.run, scene.keys.log)))

    assert await run_ids(scene) == [second]
    assert await run_ids(scene, thread=record.thread_id) == []


async def test_a_run_that_this_release_cannot_read_does_not_hide_the_others(scene, caplog):
    await noted_as_complete(scene)
    first, odd, last = await enqueue_on_new_threads(scene, 3)
    await scene.command("HSET", scene.keys.run(odd), "status", "paused")

    for _ in range(2):
        page = await scene.store.lists.runs(RunFilter(), 5, None)

    assert [record.id for record in page] == [first, last]
    assert page.incomplete
    assert [one.getMessage() for one in caplog.records] == [
        f"lists leave out {odd}: this release cannot read its record"
    ]
    await scene.command("HSET", scene.keys.run(odd), "status", "queued")
    assert await run_ids(scene) == [first, odd, last], "its entry has stayed"


@pytest.mark.parametrize("metadata", ["{oops", "7"])
async def test_a_thread_that_cannot_be_read_does_not_hide_the_others(scene, metadata):
    odd, good = ids.new_thread_id(), ids.new_thread_id()
    for thread_id in (odd, good):
        await scene.store.threads.add(thread_id, [], create=True)
    await scene.command("HSET", scene.keys.thread(odd), "metadata", metadata)

    assert await thread_ids(scene) == [good]


async def test_an_assistant_that_cannot_be_read_does_not_hide_the_others(scene):
    for id in ("asst_1", "asst_2"):
        await scene.store.assistants.create(Definition(id=id, name="Ada", model="gpt-test"))
    await scene.command("SET", scene.keys.created("asst_1"), "{oops")

    page = await scene.store.lists.assistants(5, None)

    assert [one.id for one in page] == ["asst_2"]
    assert page.incomplete


@pytest.mark.parametrize("registration", ["garbage", "7"])
async def test_a_registration_that_cannot_be_read_makes_lists_incomplete(scene, registration):
    await noted_as_complete(scene)
    await scene.command("HSET", scene.keys.alive(), "host:1:odd", registration)

    assert (await scene.store.lists.runs(RunFilter(), 5, None)).incomplete


async def test_entries_of_runs_that_are_gone_do_not_stay(scene):
    await expired_run(scene)
    await scene.command("UNLINK", scene.keys.expiring(scene.keys.bucket(scene.thread_id)))

    assert await run_ids(scene, status=Status.CANCELLED) == []

    assert await scene.members("all_runs") == []
    assert await scene.members("status:cancelled") == []
    for name_or_id in (REQUEST.assistant_name, REQUEST.assistant_id):
        assert await run_ids(scene, assistant=name_or_id) == []


async def test_entries_of_threads_that_an_old_producer_has_deleted_do_not_stay(scene):
    await scene.command("SET", scene.keys.indexed(scene.keys.bucket(scene.thread_id)), "team")
    thread_id = scene.thread_id
    await scene.store.threads.add(thread_id, [], create=True, metadata={"team": "red"})
    await scene.command("UNLINK", scene.keys.thread(thread_id))

    assert await thread_ids(scene, metadata={"team": "red"}) == []

    kinds = [key.split(":")[1] for key in await scene.contents()]
    assert not {"active", "metadata"} & set(kinds)


@pytest.mark.parametrize(
    "cursor", ["", "5", "x:run_00", "1:thread_" + "0" * 32, "1:run_0*", "nan:run_0", "1:run_0\n"]
)
async def test_what_is_no_cursor_is_refused_before_anything_is_read(scene, client, cursor):
    with pytest.raises(ValueError, match="not a cursor of this list"):
        await scene.store.lists.runs(RunFilter(), 5, cursor)


async def test_threads_are_listed_by_their_last_activity(scene):
    first, second = ids.new_thread_id(), ids.new_thread_id()
    for thread_id in (first, second):
        run = await scene.enqueue(thread_id=thread_id)
        await scene.passes((await scene.record(run.run_id)).created_at)
    assert await thread_ids(scene) == [second, first]

    await scene.store.runs.cancel((await scene.enqueue(thread_id=first)).run_id)

    assert await thread_ids(scene) == [first, second]
    await scene.store.runs.cancel((await scene.store.lists.runs(RunFilter(), 9, None)).data[-1].id)


async def test_threads_are_found_by_indexed_metadata(scene):
    for bucket in scene.keys.buckets():
        await scene.command("SET", f"{bucket}indexed", "customer,team")
    found = {}
    for customer, team in (("7", "red"), ("7", "blue"), ("8", "red")):
        metadata = {"customer": customer, "team": team, "note": "x"}
        run = await elsewhere(scene, thread_metadata=metadata)
        found[customer, team] = (await scene.record(run.run_id)).thread_id

    by_customer = await thread_ids(scene, metadata={"customer": "7"})
    assert by_customer == [found["7", "blue"], found["7", "red"]]
    both = {"customer": "7", "team": "red"}
    assert await thread_ids(scene, metadata=both) == [found["7", "red"]]
    assert await thread_ids(scene, metadata={"customer": "9"}) == []


async def test_a_deleted_thread_leaves_every_list(scene):
    run = await scene.enqueue(thread_metadata={"customer": "7"})
    await scene.store.runs.cancel(run.run_id)
    await scene.store.threads.delete(scene.thread_id)

    assert await thread_ids(scene) == []
    assert await run_ids(scene) == []


async def test_a_list_is_complete_once_a_worker_has_noted_that(scene):
    assert (await scene.store.lists.runs(RunFilter(), 5, None)).incomplete
    await noted_as_complete(scene)
    assert not (await scene.store.lists.runs(RunFilter(), 5, None)).incomplete


async def test_a_threads_own_list_is_always_complete(scene):
    run = await scene.enqueue()

    page = await scene.store.lists.runs(
        RunFilter(thread=scene.thread_id, status=Status.QUEUED), 5, None
    )

    assert [record.id for record in page] == [run.run_id]
    assert not page.incomplete


async def test_conditions_do_not_hide_a_run_of_a_thread_that_an_old_producer_has_enqueued(scene):
    run = await scene.enqueue()
    await forget_indexes(scene)
    await noted_as_complete(scene)

    assert await run_ids(scene, thread=scene.thread_id, status=Status.QUEUED) == [run.run_id]


async def test_of_a_large_thread_the_smallest_index_is_read(scene, monkeypatch):
    monkeypatch.setattr(lists, "LONGEST_WALK", 3)
    rare, *_ = [(await scene.enqueue()).run_id for _ in range(6)]
    await scene.store.runs.cancel(rare)
    await noted_as_complete(scene)

    wanted = {"thread": scene.thread_id, "status": Status.CANCELLED}

    assert await run_ids(scene, **wanted) == [rare]


async def test_a_worker_that_keeps_no_indexes_makes_lists_incomplete(scene):
    await noted_as_complete(scene)
    await scene.command("HSET", scene.keys.alive(), "host:1:old", '{"worker":"host:1"}')

    assert (await scene.store.lists.runs(RunFilter(), 5, None)).incomplete


async def test_without_a_worker_that_keeps_indexes_lists_are_incomplete(scene):
    await noted_as_complete(scene)
    await scene.command("DEL", scene.keys.alive())

    assert (await scene.store.lists.runs(RunFilter(), 5, None)).incomplete


async def test_nobody_knows_after_a_minute_without_an_indexer(scene):
    await noted_as_complete(scene, seconds_ago=61)

    assert (await scene.store.lists.runs(RunFilter(), 5, None)).incomplete


async def test_metadata_that_is_not_indexed_yet_makes_lists_incomplete(scene):
    await noted_as_complete(scene, metadata="team")

    page = await scene.store.lists.threads(ThreadFilter({"customer": "7"}), 5, None)

    assert page.incomplete
    assert not (await scene.store.lists.threads(ThreadFilter({"team": "red"}), 5, None)).incomplete


def test_a_page_is_iterable_and_frozen():
    page = lists.Page([1, 2], None, incomplete=False)

    assert ([*page], len(page)) == ([1, 2], 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        page.cursor = "x"
