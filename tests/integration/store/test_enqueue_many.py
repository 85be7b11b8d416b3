"""Many enqueues go in few round trips, and do what one after another would do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from redis import exceptions as redis_errors
from tests.conftest import NAMESPACE
from tests.support.servers.clients import ask_all
from tests.support.store.lossy_client import LossyClient
from tests.support.store.scene import Scene

from threadmill_shared import errors, ids
from threadmill_shared.records.attachments import Attached
from threadmill_shared.records.changes import EnqueueCommand, Enqueued
from threadmill_shared.records.files import FileContent
from threadmill_shared.store.bulk_enqueue import MOST_BYTES, MOST_RUNS
from threadmill_shared.store.connections import connect
from threadmill_shared.store.scripts.loader import ScriptCall
from threadmill_shared.store.store import Store


async def enqueue_many(
    store: Store, new: Sequence[EnqueueCommand], task: bytes = b""
) -> list[Enqueued | Exception]:
    return [found async for found in store.runs.enqueue_many(new, lambda _: task)]


def run_ids(found: Sequence[Enqueued | Exception]) -> list[str]:
    return [one.run_id if isinstance(one, Enqueued) else type(one).__name__ for one in found]


async def runs_of(scene: Scene, thread_id: str) -> list[str]:
    """The thread's runs by their turn."""
    found: list[str] = await scene.command("ZRANGE", scene.keys.runs(thread_id), 0, -1)
    return found


async def test_runs_of_many_threads_and_of_one_are_stored_in_the_order_given(scene):
    threads = [ids.new_thread_id() for _ in range(7)]
    new = [scene.new_run(str(n), thread_id=threads[n % 7 if n % 3 else 0]) for n in range(130)]

    found = await enqueue_many(scene.store, new)

    assert run_ids(found) == [one.run_id for one in new]
    for thread in threads:
        wanted = [one.run_id for one in new if one.thread_id == thread]
        assert await runs_of(scene, thread) == wanted
        assert await line_of(scene, thread) == wanted[1:]


async def line_of(scene: Scene, thread_id: str) -> list[str]:
    found: list[str] = await scene.command("ZRANGE", scene.keys.line(thread_id), 0, -1)
    return found


@pytest.mark.one_server
async def test_they_go_in_few_round_trips_of_limited_size(scene, monkeypatch):
    sent = watch(scene.store, monkeypatch)
    short = [scene.new_run("short") for _ in range(2 * MOST_RUNS + 1)]
    long = [scene.new_run("x" * (MOST_BYTES // 3), max_waiting=1000) for _ in range(5)]

    await enqueue_many(scene.store, [*short, *long])

    assert [len(calls) for calls in sent] == [MOST_RUNS, MOST_RUNS, 3, 2, 1]


def watch(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[ScriptCall]]:
    """The calls of each round trip, from now on."""
    sent: list[Sequence[ScriptCall]] = []
    send = store.session.runner.run_once_each

    async def note(calls: Sequence[ScriptCall], **options: Any) -> Any:
        sent.append(calls)
        return await send(calls, **options)

    monkeypatch.setattr(store.session.runner, "run_once_each", note)
    return sent


async def test_one_that_is_refused_holds_up_no_other(scene):
    busy, free = scene.thread_id, ids.new_thread_id()
    holder = await scene.enqueue("first", idempotency_key="monday")
    new = [
        scene.new_run("a", when_busy="reject"),
        scene.new_run("b"),
        scene.new_run("other", idempotency_key="monday"),
        scene.new_run("c"),
        scene.new_run("d", thread_id=free, create_thread=False),
        scene.new_run("e", thread_id=free),
        scene.new_run("first", idempotency_key="monday"),
        scene.new_run("f", max_waiting=2),
        scene.new_run("g"),
    ]

    found = await enqueue_many(scene.store, new)

    assert run_ids(found) == [
        *("ThreadLocked", new[1].run_id, "IdempotencyMismatch", new[3].run_id),
        *("ThreadNotFound", new[5].run_id, holder.run_id, "ThreadFull", new[8].run_id),
    ]
    assert await line_of(scene, busy) == [new[1].run_id, new[3].run_id, new[8].run_id]
    assert isinstance(same := found[6], Enqueued)
    assert not same.created


@pytest.mark.parametrize("refused", [{"when_busy": "reject"}, {"max_waiting": 0}, "key"])
async def test_many_refused_runs_of_a_thread_take_no_more_round_trips(scene, monkeypatch, refused):
    await scene.enqueue("first", idempotency_key="monday")
    options = {"idempotency_key": "monday"} if refused == "key" else refused
    new = [scene.new_run(str(n), **options) for n in range(100)]
    last = scene.new_run("last")
    trips, send = [], scene.store.session.runner.run_once_each

    async def count(calls: Sequence[ScriptCall], *, in_full: set[int]) -> list[Any]:
        trips.append(len(calls))
        return list(await send(calls, in_full=in_full))

    monkeypatch.setattr(scene.store.session.runner, "run_once_each", count)
    found = await enqueue_many(scene.store, [*new, last])

    assert len(trips) <= 3 + 1  # one more to bring the script
    assert len({type(one) for one in found[:-1]}) == 1
    assert isinstance(found[-1], Enqueued)


async def test_what_is_no_json_any_more_is_refused_and_holds_up_no_other(scene):
    new = [scene.new_run(str(n)) for n in range(3)]
    new[1] = replace(new[1], context={"a": object()})

    found = await enqueue_many(scene.store, new)

    assert isinstance(found[1], ValueError)
    assert await runs_of(scene, scene.thread_id) == [new[0].run_id, new[2].run_id]


async def test_they_do_what_one_after_another_would_do(scene, redis_url, run):
    client = connect(redis_url)
    other = Store(client, f"{NAMESPACE}2")
    dice = random.Random(7)
    threads = [ids.new_thread_id() for _ in range(5)]
    for _ in range(10):
        new = [any_run(scene, dice, threads) for _ in range(dice.randint(1, 2 * MOST_RUNS))]
        many = await enqueue_many(scene.store, new)
        single = [await enqueue(other, one) for one in new]
        assert [comparable(one) for one in many] == [comparable(one) for one in single]
    for thread in threads:
        lines = [
            await store.session.runner.command("ZRANGE", store.session.keys.line(thread), 0, -1)
            for store in (scene.store, other)
        ]
        assert lines[0] == lines[1]
    await other.close()


def any_run(scene: Scene, dice: random.Random, threads: list[str]) -> EnqueueCommand:
    text = dice.choice(["a", "b"])
    return scene.new_run(
        text,
        thread_id=dice.choice(threads),
        when_busy=dice.choice(["queue", "queue", "queue", "reject", "interrupt"]),
        idempotency_key=dice.choice([None, None, "monday", "tuesday"]),
        create_thread=dice.random() < 0.8,
        max_waiting=dice.choice([3, 100]),
        wait_seconds=dice.choice([None, 60]),
    )


async def enqueue(store: Store, new: EnqueueCommand) -> Enqueued | Exception:
    try:
        return await store.runs.enqueue(new)
    except errors.CallerError as error:
        return error


def comparable(found: Enqueued | Exception) -> Any:
    return replace(found, created_at=0) if isinstance(found, Enqueued) else repr(found)


async def test_a_batch_whose_answers_were_lost_is_repeated_and_changes_nothing(scene, client):
    new = [scene.new_run(str(n)) for n in range(5)]
    client.lose_next_answer()

    found = await enqueue_many(scene.store, new)

    assert run_ids(found) == [one.run_id for one in new]
    assert {"dispatch", "waiting"} <= set(client.outcomes)
    assert client.outcomes[-5:] == ["again"] * 5
    assert await runs_of(scene, scene.thread_id) == [one.run_id for one in new]


async def test_none_that_was_refused_is_stored_behind_the_next_if_answers_are_lost(
    scene, monkeypatch
):
    await scene.enqueue("first")
    waiting = [(await scene.enqueue(text)).run_id for text in "ab"]
    new = [scene.new_run("full", max_waiting=2), scene.new_run("stored")]
    trips, send = 0, scene.store.session.runner.run_once_each

    async def lose(calls: Sequence[ScriptCall], **options: Any) -> list[Any]:
        nonlocal trips
        replies: list[Any] = await send(calls, **options)
        trips += 1
        if trips > 1:
            return replies
        for run_id in waiting:  # now there is room
            await scene.store.runs.cancel(run_id)
        return [redis_errors.ConnectionError("the answers were lost")] * len(calls)

    monkeypatch.setattr(scene.store.session.runner, "run_once_each", lose)
    found = await enqueue_many(scene.store, new)

    assert run_ids(found) == ["ThreadFull", new[1].run_id]
    assert "2" in str(found[0])
    assert await line_of(scene, scene.thread_id) == [new[1].run_id]


@pytest.mark.parametrize("missing", [0, 2])
async def test_none_overtakes_one_that_failed_alone(scene, monkeypatch, missing):
    new = [scene.new_run(str(n)) for n in range(4)]
    elsewhere = scene.new_run("elsewhere", thread_id=ids.new_thread_id())
    await enqueue_many(scene.store, [scene.new_run(thread_id=ids.new_thread_id())])
    fail_once(scene.store, monkeypatch, missing)

    found = await enqueue_many(scene.store, [*new, elsewhere])

    assert run_ids(found) == [one.run_id for one in (*new, elsewhere)]
    assert await runs_of(scene, scene.thread_id) == [one.run_id for one in new]


def fail_once(store: Store, monkeypatch: pytest.MonkeyPatch, missing: int) -> None:
    """A server that is promoted in the middle of a round trip: one command is not executed."""
    send = store.session.runner.run_once_each
    failed: list[int] = []

    async def fail(calls: Sequence[ScriptCall], *, in_full: set[int]) -> list[Any]:
        if failed:
            return list(await send(calls, in_full=in_full))
        failed.append(missing)
        rest = [call for place, call in enumerate(calls) if place != missing]
        replies = list(await send(rest, in_full=range(len(rest))))
        replies.insert(missing, redis_errors.ReadOnlyError("READONLY"))
        return replies

    monkeypatch.setattr(store.session.runner, "run_once_each", fail)


async def test_a_server_that_has_forgotten_the_script_gets_it_again(scene, client):
    await enqueue_many(scene.store, [scene.new_run("first")])
    await ask_all(client, "execute_command", "SCRIPT", "FLUSH")
    new = [scene.new_run(str(n), thread_id=ids.new_thread_id()) for n in range(20)]

    assert run_ids(await enqueue_many(scene.store, new)) == [one.run_id for one in new]


async def test_a_full_server_takes_none(scene, client):
    await ask_all(client, "config_set", "maxmemory", 1)
    try:
        new = [scene.new_run(str(n)) for n in range(MOST_RUNS + 1)]
        found = await enqueue_many(scene.store, new)
    finally:
        await ask_all(client, "config_set", "maxmemory", 0)

    assert {type(one) for one in found} == {errors.StoreFull}
    assert await scene.contents() == {}
    assert "was not sent" in str(found[-1])


@pytest.mark.any_server
async def test_a_server_that_is_away_is_asked_once():
    store = Store(connect("redis://127.0.0.1:1"), NAMESPACE, patience=0.1)
    scene = Scene(store, ids.new_thread_id())
    found = await enqueue_many(store, [scene.new_run(str(n)) for n in range(3 * MOST_RUNS)])
    await store.close()

    assert {type(one) for one in found} == {errors.StoreUnavailable}
    assert ["was not sent" in str(one) for one in found[::MOST_RUNS]] == [False, True, True]


async def test_files_are_there_before_their_message(scene):
    file = FileContent("file_1", "a.csv", b"1,2")
    new = [scene.new_run(str(n), attached=Attached(files=(file,))) for n in range(2)]

    assert run_ids(await enqueue_many(scene.store, new)) == [one.run_id for one in new]
    assert await scene.store.files.read_attached(scene.thread_id, "file_1") == file


async def test_files_that_are_refused_refuse_their_round_trip_only(scene, monkeypatch):
    async def refuse(_thread_id: str, attached: Attached) -> None:
        if attached:
            raise redis_errors.NoPermissionError("no right to write files")

    monkeypatch.setattr(scene.store.files, "attach", refuse)
    file = FileContent("file_1", "a.csv", b"1,2")
    threads = [ids.new_thread_id() for _ in range(2 * MOST_RUNS + 1)]
    new = [scene.new_run(thread_id=thread) for thread in threads]
    new[MOST_RUNS] = replace(new[MOST_RUNS], attached=Attached(files=(file,)))

    found = await enqueue_many(scene.store, new)

    refused = range(MOST_RUNS, 2 * MOST_RUNS)
    assert [at for at, one in enumerate(found) if not isinstance(one, Enqueued)] == [*refused]


async def test_tasks_are_sent_by_the_script_if_the_broker_is_the_same_redis(scene):
    queue = f"{scene.keys.bucket(scene.thread_id)}a-queue"
    new = [scene.new_run(str(n), queue=queue) for n in range(3)]

    found = await enqueue_many(scene.store, new, b"its task")

    assert [one.send for one in found if isinstance(one, Enqueued)] == [None] * 3
    assert await scene.command("LRANGE", queue, 0, -1) == ["its task"]
    await scene.command("UNLINK", queue)


async def test_two_callers_at_once_keep_the_order_of_each(scene: Scene, client: LossyClient):
    mine, others = ([scene.new_run(str(n)) for n in range(60)] for _ in range(2))
    for one in (mine, others):
        one[:] = [replace(new, max_waiting=1000) for new in one]

    await asyncio.gather(enqueue_many(scene.store, mine), enqueue_many(scene.store, others))

    stored = await runs_of(scene, scene.thread_id)
    for new in (mine, others):
        wanted = [one.run_id for one in new]
        assert [run_id for run_id in stored if run_id in set(wanted)] == wanted
