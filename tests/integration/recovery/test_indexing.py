"""The indexer: it removes what has expired, and indexes what earlier releases have written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.store.lists import INDEXES, all_pages, expired_run, forget_indexes
from tests.support.store.scene import Scene, end_message

from threadmill_shared import ids
from threadmill_shared.errors import StoreFull
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.list_filters import RunFilter, ThreadFilter
from threadmill_shared.records.run import Status
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store import index_cleaner
from threadmill_shared.store import indexer as store_indexer
from threadmill_shared.store.batch import Batch
from threadmill_shared.store.connections import is_cluster
from threadmill_shared.store.key_scan import ScanStep
from threadmill_shared.store.scripts.workers import WorkerScripts
from threadmill_workers.recovery import indexing
from threadmill_workers.recovery.indexing import Indexing

OLD = '{"worker":"host:1","since":0,"queue":"q"}'
"""A registration of a release that keeps no indexes."""


@pytest.fixture
def scene(store) -> Scene:
    return Scene(store, ids.new_thread_id())


WORKER = WorkerInfo("host:1:aaaa", "host:1", 0, "q")


@pytest.fixture
def work(scene, run) -> Indexing:
    run(scene.command("HSET", scene.keys.alive(), WORKER.id, WORKER.encode()))
    return Indexing(scene.store, WORKER.id, ("customer",))


async def register(scene: Scene, worker: WorkerInfo) -> None:
    scripts = WorkerScripts(scene.keys)
    call = scripts.register(
        worker=worker.id,
        known="",
        registration=worker.encode(),
        lease_ms=3000,
        tools_ms=3000,
        rest=(),
    )
    await scene.store.session.runner.run(call)


async def some_runs(scene: Scene, count: int) -> list[str]:
    made = []
    for number in range(count):
        thread_id = ids.new_thread_id()
        run = await scene.enqueue(thread_id=thread_id, thread_metadata={"customer": str(number)})
        await scene.passes((await scene.record(run.run_id)).created_at)
        made.append(run.run_id)
    return made[::-1]


async def listed(scene: Scene, **wanted) -> list[str]:
    pages = await all_pages(lambda cursor: scene.store.lists.runs(RunFilter(**wanted), 50, cursor))
    return [record.id for page in pages for record in page]


async def is_incomplete(scene: Scene, **metadata: str) -> bool:
    return (await scene.store.lists.threads(ThreadFilter(metadata), 1, None)).incomplete


async def test_a_new_store_is_complete_after_one_look(scene, work):
    assert await is_incomplete(scene)

    await work.look()

    assert not await is_incomplete(scene, customer="7")


async def test_what_an_earlier_release_has_written_is_listed_as_if_this_one_had(scene, work):
    await work.look()  # so that metadata is indexed from the beginning
    runs = await some_runs(scene, 20)
    await scene.store.runs.cancel(runs[0])
    held = await scene.claim(runs[1])
    await held.finish(Status.COMPLETED, Batch())
    held = await scene.claim(runs[2])
    batch = Batch()
    batch.changes.fields["last_error"] = (
        '{"code":"server_error","name":"worker_lost","message":"x"}'
    )
    await held.finish(Status.FAILED, batch)
    before = await scene.contents()
    await forget_indexes(scene)
    await scene.command("DEL", scene.keys.indexing())

    await work.look()

    after = await scene.contents()
    assert after.keys() == before.keys()
    for key, stored in before.items():
        if key.split(":")[1] in INDEXES - {"expiring", "assistant"}:
            assert after[key].value == stored.value, key
    assert await listed(scene) == runs
    assert await listed(scene, error="worker_lost") == [runs[2]]
    assert await listed(scene, assistant="Ada") == runs
    assert len(await scene.members("expiring")) <= 3
    state = await scene.store.lists.state()
    assert (state.is_complete, state.missing > 0) == (True, True)


async def test_assistants_that_an_earlier_release_has_created_or_deleted_are_put_right(scene, work):
    for id in ("asst_1", "asst_2"):
        await scene.store.assistants.create(Definition(id=id, name="Ada", model="gpt-test"))
    index = scene.keys.registered()
    await scene.command("ZREM", index, "asst_1")
    await scene.command("UNLINK", scene.keys.created("asst_2"))

    await work.look()

    assert await scene.command("ZRANGE", index, 0, -1) == ["asst_1"]
    page = await scene.store.lists.assistants(5, None)
    assert [one.id for one in page] == ["asst_1"]


async def test_a_status_that_an_earlier_release_has_changed_is_put_right(scene, work):
    run = await scene.enqueue()
    held = await scene.claim(run.run_id)
    await held.finish(Status.COMPLETED, Batch())
    bucket, key = scene.keys.bucket(run.run_id), scene.keys.run(run.run_id)
    words = await scene.command("HGET", key, "listed")
    place = await scene.command("ZSCORE", f"{bucket}all_runs", run.run_id)
    stale = words.replace("completed", "queued")
    await scene.command("HSET", key, "listed", stale)
    await scene.command("UNLINK", f"{bucket}status:completed", f"{bucket}expiring")
    await scene.command("ZADD", f"{bucket}status:queued", place, run.run_id)

    await work.look()

    assert await listed(scene, status=Status.QUEUED) == []
    assert await listed(scene, status=Status.COMPLETED) == [run.run_id]
    assert await scene.members("expiring") == [f"{run.run_id} {words}"]


async def test_a_run_that_an_old_producer_has_cancelled_is_put_right_without_a_pass(scene, work):
    await work.look()
    cancelled, queued = [(await scene.enqueue()).run_id for _ in range(2)]
    bucket, key = scene.keys.bucket(cancelled), scene.keys.run(cancelled)
    words = await scene.command("HGET", key, "listed")
    place = await scene.command("ZSCORE", f"{bucket}all_runs", cancelled)
    await scene.store.runs.cancel(cancelled)
    await scene.command("HSET", key, "listed", words)
    await scene.command("UNLINK", f"{bucket}status:cancelled", f"{bucket}expiring")
    await scene.command("ZADD", f"{bucket}status:queued", place, cancelled)

    await Indexing(scene.store, WORKER.id, ("customer",)).look()

    assert await listed(scene, status=Status.QUEUED) == [queued]
    assert await listed(scene, status=Status.CANCELLED) == [cancelled]
    assert len(await scene.members("expiring")) == 1


async def test_a_thread_with_many_runs_is_indexed_in_pages(scene, work, monkeypatch):
    monkeypatch.setattr(store_indexer, "RUNS_AT_ONCE", 3)
    runs = [(await scene.enqueue()).run_id for _ in range(10)]
    await forget_indexes(scene)

    await work.look()

    assert sorted(await listed(scene)) == sorted(runs)


async def test_a_thread_whose_run_is_in_progress_does_not_count_as_missing(scene, work):
    await work.look()
    held = await scene.begin()
    await scene.passes((await scene.record(held.record.id)).created_at)
    held.put(end_message(held.record, "hello"))
    await held.stored()

    parts = [one async for one in scene.store.indexer.index([scene.keys.thread(scene.thread_id)])]

    assert [part.missing for part in parts] == [0]


async def test_metadata_without_an_indexed_key_is_looked_at_once(scene, work):
    await work.look()
    await scene.enqueue(thread_metadata={"team": "red"})

    assert await scene.command("HGET", scene.keys.thread(scene.thread_id), "listed") == ""


async def test_a_round_trip_of_a_pass_keeps_the_server_busy_with_few_runs_only(scene, work):
    for _ in range(12):
        thread_id = ids.new_thread_id()
        for at in range(45):
            run_id = ids.new_run_id(thread_id)
            await scene.command("ZADD", scene.keys.runs(thread_id), at, run_id)
        await scene.command("HSET", scene.keys.thread(thread_id), "created_at", 1_700_000_000_000)
    keys = [key async for key in scene.store.session.keys_like(scene.keys.all_threads())]

    parts = [part async for part in scene.store.indexer.index(keys)]

    assert sum(part.runs for part in parts) >= 12 * 45
    assert max(part.runs for part in parts) <= 100


async def test_an_indexer_says_that_it_is_there_while_it_indexes(scene, work, monkeypatch):
    monkeypatch.setattr(indexing, "LOOK_SECONDS", 0)
    await some_runs(scene, 40)
    await forget_indexes(scene)
    note, places = scene.store.indexer.note, []

    async def note_place(state):
        places.append(state.place)
        await note(state)

    monkeypatch.setattr(scene.store.indexer, "note", note_place)
    await work.look()

    assert len(places) > len(set(places)), "it has noted more than each step's end"


async def test_runs_with_one_place_do_not_stop_a_page(scene, work, monkeypatch):
    monkeypatch.setattr(store_indexer, "RUNS_AT_ONCE", 2)
    runs = [(await scene.enqueue()).run_id for _ in range(5)]
    for run_id in runs:  # as releases before wrote them that gave no run a place of its own
        await scene.command("ZADD", scene.keys.runs(scene.thread_id), 1_700_000_000_000, run_id)
    await forget_indexes(scene)

    await work.look()

    assert (await scene.store.lists.state()).is_complete


async def test_while_a_worker_keeps_no_indexes_lists_stay_incomplete(scene, work):
    await work.look()
    await scene.command("HSET", scene.keys.alive(), "host:1:old", OLD)
    await work.look()
    assert (await scene.store.lists.state()).passes == 1
    assert not (await scene.store.lists.state()).is_complete

    await some_runs(scene, 3)
    await forget_indexes(scene)
    await work.look()
    assert (await scene.store.lists.state()).passes == 1, "one pass is enough meanwhile"

    await scene.command("HDEL", scene.keys.alive(), "host:1:old")
    assert await is_incomplete(scene), "what it wrote last is not indexed yet"
    await work.look()
    assert not await is_incomplete(scene)
    assert len(await listed(scene)) == 3


async def test_a_pass_proves_nothing_if_such_a_worker_came_in_the_middle(scene, work, monkeypatch):
    runs = await some_runs(scene, 3)
    await forget_indexes(scene)
    index = scene.store.indexer.index

    async def index_and_register(threads):
        await scene.command("HSET", scene.keys.alive(), "host:1:old", OLD)
        async for part in index(threads):
            yield part

    monkeypatch.setattr(scene.store.indexer, "index", index_and_register)
    await work.look()

    assert await listed(scene) == runs
    assert not (await scene.store.lists.state()).is_complete
    await scene.command("HDEL", scene.keys.alive(), "host:1:old")


async def test_after_a_minute_without_an_indexer_a_pass_is_due(scene, work):
    await work.look()
    runs = await some_runs(scene, 2)
    await forget_indexes(scene)
    state = await scene.store.lists.state()
    await scene.store.indexer.note(replace(state, seen_at=state.seen_at - 61))
    assert await is_incomplete(scene)

    await work.look()

    assert await listed(scene) == runs
    assert not await is_incomplete(scene)


async def test_a_worker_that_registers_alone_trusts_nobody(scene, work):
    await work.look()
    await scene.command("HDEL", scene.keys.alive(), WORKER.id)
    runs = await some_runs(scene, 2)
    await forget_indexes(scene)
    await scene.command("DEL", scene.keys.indexer())
    other = Indexing(scene.store, "host:2:bbbb", ("customer",))

    await register(scene, WorkerInfo("host:2:bbbb", "host:2", 0, "q"))
    assert await is_incomplete(scene)
    await other.look()

    assert await listed(scene) == runs
    assert not await is_incomplete(scene)


async def test_a_frozen_worker_that_registers_again_trusts_nobody(scene, work):
    await work.look()
    await scene.command("HDEL", scene.keys.alive(), WORKER.id)  # an old worker has buried it,
    runs = await some_runs(scene, 2)
    await forget_indexes(scene)  # has executed these, and is gone

    await register(scene, replace(WORKER, id="host:1:cccc"))
    assert await is_incomplete(scene)
    await work.look()

    assert await listed(scene) == runs
    assert not await is_incomplete(scene)


async def test_a_worker_that_registers_beside_another_one_trusts_it(scene, work):
    await work.look()
    await scene.command("DEL", scene.keys.indexer())
    before = await scene.store.lists.state()
    other = Indexing(scene.store, "host:2:bbbb", ("customer",))

    await register(scene, WorkerInfo("host:2:bbbb", "host:2", 0, "q"))
    await other.look()

    assert (await scene.store.lists.state()).passes == before.passes
    assert not await is_incomplete(scene)


async def test_a_worker_without_indexes_that_was_there_for_a_moment_is_noticed(scene, work):
    await work.look()
    runs = await some_runs(scene, 2)
    await forget_indexes(scene)

    other = Indexing(scene.store, "host:2:bbbb", ("customer",))
    await other.see_workers([WorkerInfo.read("host:1:old", OLD)])
    await other.see_workers([])
    assert await is_incomplete(scene)
    await work.look()

    assert await listed(scene) == runs
    assert not await is_incomplete(scene)


async def test_a_pass_that_is_doubted_goes_on_and_is_followed_by_another(scene, work, monkeypatch):
    runs = await some_runs(scene, 3)
    await forget_indexes(scene)
    index = scene.store.indexer.index

    async def index_and_doubt(threads):
        await scene.store.indexer.doubt()
        async for part in index(threads):
            yield part

    monkeypatch.setattr(scene.store.indexer, "index", index_and_doubt)
    await work.look()
    assert await listed(scene) == runs
    assert await is_incomplete(scene)

    monkeypatch.setattr(scene.store.indexer, "index", index)
    await work.look()
    assert not await is_incomplete(scene)


async def test_lists_are_incomplete_while_no_worker_would_notice_others(scene, work):
    await work.look()

    await scene.command("HDEL", scene.keys.alive(), WORKER.id)

    assert await is_incomplete(scene)


async def test_a_pass_a_day_finds_what_old_producers_have_written(scene, work):
    await work.look()
    runs = await some_runs(scene, 2)
    await forget_indexes(scene)
    await work.look()
    assert await listed(scene) == []
    state = await scene.store.lists.state()
    await scene.store.indexer.note(replace(state, checked_at=state.checked_at - 86_401))

    await work.look()

    assert await listed(scene) == runs
    assert not await is_incomplete(scene)


async def test_a_pass_continues_at_its_place_with_another_worker(scene, work, monkeypatch):
    monkeypatch.setattr(indexing, "STEP_KEYS", 1)
    monkeypatch.setattr(indexing, "KEYS_PER_SECOND", 1_000_000)
    runs = await some_runs(scene, 30)
    await forget_indexes(scene)
    leads = iter([True] * 6)
    monkeypatch.setattr(work, "_leads", lambda: _value(next(leads, False)))
    await work.look()
    halfway = await scene.store.lists.state()
    assert (halfway.is_passing, halfway.is_complete) == (True, False)
    assert halfway.place

    await scene.command("DEL", scene.keys.indexer())
    other = Indexing(scene.store, "host:2:bbbb", ("customer",))
    await other.look()

    state = await scene.store.lists.state()
    assert state.is_complete
    assert state.keys > halfway.keys
    assert await listed(scene) == runs


async def test_a_place_of_another_server_is_worth_nothing(scene, work):
    runs = await some_runs(scene, 5)
    await forget_indexes(scene)
    await work.look()
    await forget_indexes(scene)
    state = await scene.store.lists.state()
    await scene.store.indexer.note(
        replace(state, is_complete=False, is_passing=True, place="0 12345", server="=another")
    )

    await work.look()

    assert await listed(scene) == runs


async def test_a_restart_of_the_server_in_the_middle_of_a_pass_makes_it_begin_anew(
    scene, work, monkeypatch
):
    monkeypatch.setattr(indexing, "STEP_KEYS", 1)
    monkeypatch.setattr(indexing, "KEYS_PER_SECOND", 1_000_000)
    runs = await some_runs(scene, 5)
    await forget_indexes(scene)
    next_keys, steps = scene.store.indexer.next_keys, 0

    async def keys_of_two_servers(place, count):
        nonlocal steps
        steps += 1
        if steps == 3:  # to the server that is there now, the place is behind all keys
            return ScanStep([], "")
        return await next_keys(place, count)

    monkeypatch.setattr(scene.store.indexer, "next_keys", keys_of_two_servers)
    monkeypatch.setattr(
        scene.store.indexer, "servers", lambda: _value("=first" if steps < 3 else "=second")
    )
    await work.look()

    assert await listed(scene) == runs
    assert not await is_incomplete(scene)


async def test_keys_that_are_named_later_are_indexed_and_old_ones_removed(scene, work):
    await work.look()
    await some_runs(scene, 3)
    other = Indexing(scene.store, "host:1:aaaa", ("team",))
    thread = await scene.enqueue(thread_metadata={"team": "red", "customer": "7"})

    await other.look()

    kinds = [key.split(":")[1] for key in await scene.contents()]
    assert kinds.count("metadata") == 1
    page = await scene.store.lists.threads(ThreadFilter({"team": "red"}), 5, None)
    assert [record.id for record in page] == [(await scene.record(thread.run_id)).thread_id]
    assert not page.incomplete
    assert await is_incomplete(scene, customer="7")


async def test_a_worker_that_becomes_the_indexer_again_chooses_the_keys_again(scene, work):
    await work.look()
    await scene.command("UNLINK", scene.keys.indexer())
    await scene.store.indexer.choose_metadata("team")  # by another one, which ended before its note

    await work.look()

    await scene.enqueue(thread_metadata={"customer": "9"})
    page = await scene.store.lists.threads(ThreadFilter({"customer": "9"}), 5, None)
    assert [record.id for record in page] == [scene.thread_id]


async def test_the_log_tells_that_workers_want_other_keys(scene, work, caplog):
    caplog.set_level("INFO", "threadmill.worker")
    await work.look()
    await scene.command("UNLINK", scene.keys.indexer())

    await Indexing(scene.store, "host:2:bbbb", ("team",)).look()

    [line] = [one.getMessage() for one in caplog.records]
    assert line.startswith("threads are indexed by team from now on, before by customer;")


async def test_only_one_worker_is_the_indexer(scene, work):
    await work.look()
    other = Indexing(scene.store, "host:2:bbbb", ("team",))

    await other.look()

    assert (await scene.store.lists.state()).wanted == "customer"


async def test_runs_whose_records_have_expired_are_removed_in_parts(scene, work, monkeypatch):
    monkeypatch.setattr(store_indexer, "TRIMMED_AT_ONCE", 2)
    for _ in range(5):
        await expired_run(scene)
    stays = await scene.enqueue()

    await work.look()

    assert await scene.members("all_runs") == [stays.run_id]
    assert await scene.members("expiring") == []
    assert [key for key in await scene.contents() if "status:cancelled" in key] == []


async def test_a_pass_removes_entries_of_what_an_earlier_release_has_removed(
    scene, work, monkeypatch
):
    monkeypatch.setattr(index_cleaner, "ENTRIES_AT_ONCE", 2)
    await work.look()
    stay = [(await scene.enqueue()).run_id for _ in range(3)]
    gone = await expired_run(scene)
    await scene.command("UNLINK", scene.keys.expiring(scene.keys.bucket(gone)))
    thread_id = ids.new_thread_id()
    await scene.store.threads.add(thread_id, [], create=True, metadata={"customer": "7"})
    await scene.command("UNLINK", scene.keys.thread(thread_id))
    state = await scene.store.lists.state()
    await scene.store.indexer.note(replace(state, checked_at=0))

    await work.look()

    assert sorted(await scene.members("all_runs")) == sorted(stay)
    kinds = [key.split(":")[1] for key in await scene.contents()]
    assert [kinds.count(kind) for kind in ("status", "active", "metadata")] == [1, 1, 0]


async def test_one_script_removes_no_more_runs_than_it_may(scene, monkeypatch):
    monkeypatch.setattr(store_indexer, "TRIMMED_AT_ONCE", 2)
    first = ids.new_thread_id()
    other = next(
        id for _ in iter(int, 1) if ids.bucket_of(id := ids.new_thread_id()) != ids.bucket_of(first)
    )
    for thread_id in (first, other):
        for _ in range(2):
            await expired_run(Scene(scene.store, thread_id))

    removed = [await scene.store.indexer.trim() for _ in range(2)]

    assert removed == ([4, 0] if is_cluster(scene.store.session.client) else [2, 2])


async def test_a_full_redis_does_not_keep_the_indexer_from_removing(scene, work):
    if is_cluster(scene.store.session.client):
        pytest.skip("CONFIG SET reaches one node only")
    await work.look()
    await expired_run(scene)
    await scene.command("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(StoreFull):
            await Indexing(scene.store, WORKER.id, ("customer",)).look()
    finally:
        await scene.command("CONFIG", "SET", "maxmemory", "0")

    assert await scene.members("all_runs") == []


async def test_the_runs_of_a_deleted_thread_are_removed_if_its_caller_has_died(scene, work):
    run = await scene.enqueue()
    await scene.store.runs.cancel(run.run_id)
    await scene.send(scene.commands.delete_thread(scene.thread_id))
    bucket = scene.keys.bucket(scene.thread_id)
    await work.look()
    assert await scene.members("tombs") == [scene.thread_id], "its caller may be at it"
    await scene.command("ZINCRBY", f"{bucket}tombs", -61_000, scene.thread_id)

    await Indexing(scene.store, "host:1:aaaa", ("customer",)).look()

    assert await scene.store.runs.record(run.run_id) is None
    assert await scene.members("all_runs") == []
    assert await scene.members("tombs") == []


async def _value(value: Any) -> Any:
    return value
