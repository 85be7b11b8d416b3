"""The executor: which runs it begins, gives back and drops."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic_core import from_json, to_json
from tests.conftest import Run
from tests.support.executor_bench import Bench
from tests.support.store.scene import HOLDER, Scene, write_partly
from tests.support.waiting import wait_until_async

from threadmill_shared import ids
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.run import Status
from threadmill_workers.execution import ended_logs, executor
from threadmill_workers.execution.interruption import Interruption


@pytest.fixture
def bench(scene: Scene, run: Run) -> Iterator[Bench]:
    async def make() -> Bench:
        return Bench(scene)

    bench: Bench = run(make())
    yield bench
    run(bench.close())


async def test_nothing_is_claimed_while_the_lease_is_not_confirmed(scene, bench):
    bench.lease.is_confirmed_now.clear()
    run_id = (await scene.enqueue()).run_id
    beginning = bench.begin(run_id)
    done, _ = await asyncio.wait([beginning], timeout=0.1)
    assert not done
    assert await scene.status(run_id) is Status.QUEUED

    bench.lease.is_confirmed_now.set()
    await wait_until_async(lambda: bench.model.asked)
    await bench.executor.close()


async def test_a_run_that_has_ended_here_is_noted_for_the_compaction_of_its_log(
    scene, bench, monkeypatch
):
    monkeypatch.setattr(ended_logs, "QUIET_SECONDS", 0)
    run_id = await bench.begin_and_ask()
    assert not bench.executor._context.ended_logs.take(1)

    await scene.store.runs.cancel(run_id)
    bench.executor.stop(run_id)
    await bench.begun[-1]

    assert bench.executor._context.ended_logs.take(2) == [run_id]


async def test_a_run_whose_end_this_worker_reports_is_noted_for_it_too(scene, bench, monkeypatch):
    monkeypatch.setattr(ended_logs, "QUIET_SECONDS", 0)
    run_id = (await scene.enqueue()).run_id
    await scene.store.runs.cancel(run_id)

    for _ in range(2):
        await bench.executor.report_end(run_id)

    assert bench.executor._context.ended_logs.take(2) == [run_id]


async def test_a_message_that_comes_while_the_worker_closes_is_sent_again(scene, bench):
    run_id = (await scene.enqueue()).run_id
    await bench.executor.close()
    await asyncio.wait_for(bench.begin(run_id), 5)
    assert [one.run_id for one in bench.outbox.sent] == [run_id]
    assert await scene.status(run_id) is Status.QUEUED


async def test_a_run_in_progress_is_given_back_and_sent_when_the_worker_closes(scene, bench):
    run_id = await bench.begin_and_ask()
    await bench.executor.close()
    assert bench.outbox.sent == [Dispatch(run_id, "tm", begun=True)]
    assert await scene.status(run_id) is Status.QUEUED
    assert bench.model.open == 0


async def test_a_run_whose_claim_has_no_answer_when_the_worker_closes_is_given_back(
    scene, bench, monkeypatch
):
    answered, claim = asyncio.Event(), executor.claim

    async def slowly(*arguments: Any) -> Any:
        held = await claim(*arguments)
        await answered.wait()
        return held

    monkeypatch.setattr(executor, "claim", slowly)
    run_id = (await scene.enqueue()).run_id
    bench.begin(run_id)
    await wait_until_async(lambda: scene.store.indexes.held_by(HOLDER.id))
    closing = asyncio.ensure_future(bench.executor.close())
    await asyncio.sleep(0.05)
    answered.set()
    await closing
    assert await scene.status(run_id) is Status.QUEUED


async def test_a_run_that_comes_back_to_a_worker_that_lost_it_is_asked_for_once(scene, bench):
    run_id = await bench.begin_and_ask()
    await scene.store.runs.reclaim(await scene.record(run_id))

    bench.begin(run_id)
    await wait_until_async(lambda: bench.model.asked == 2)
    await wait_until_async(lambda: bench.model.open == 1)

    assert (await scene.record(run_id)).attempts == 2
    assert bench.executor.executing() == {run_id}
    await bench.executor.close()


async def test_a_worker_that_was_buried_drops_what_it_has_and_goes_on(scene, bench):
    lost = await bench.begin_and_ask()
    await scene.store.runs.reclaim(await scene.record(lost))
    before = await scene.record(lost)

    bench.executor.drop()
    await asyncio.wait(bench.begun)

    assert await scene.record(lost) == before
    assert bench.model.open == 0
    bench.lease.holder = HOLDER.renewed()
    new = await bench.begin_and_ask()
    assert (await scene.record(new)).holder == bench.lease.holder.id
    await bench.executor.close()


async def test_a_run_whose_writes_are_refused_for_good_fails_and_asks_its_model_once(bench, scene):
    run_id = (await scene.enqueue()).run_id
    bench.model.word = "half of a pair: \ud83d"  # no text that can be stored
    bench.begin(run_id)

    async def has_ended() -> bool:
        return (await scene.status(run_id)).is_terminal

    await wait_until_async(has_ended, "it has ended")
    record = await scene.record(run_id)
    assert record.status is Status.FAILED
    assert record.last_error is not None
    assert record.last_error.name == "UnicodeEncodeError"
    assert bench.model.asked == 1


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("request", "{"),
        ("request", '{"assistant_id": "asst_1"}'),
        ("context", "no JSON, and a secret"),
    ],
)
async def test_a_run_that_cannot_be_read_fails_and_the_next_one_of_its_thread_is_sent(
    bench, scene, caplog, field, text
):
    run_id, following = (await scene.enqueue()).run_id, (await scene.enqueue()).run_id
    await scene.command("HSET", scene.keys.run(run_id), field, text)
    await asyncio.wait_for(bench.begin(run_id), 5)
    record = await scene.record(run_id)
    assert record.status is Status.FAILED
    assert record.last_error is not None
    assert record.last_error.name == "StoreIncompatible"
    assert f"({field})" in record.last_error.message
    assert "Upgrade the workers first" in record.last_error.message
    assert (await scene.event_names(run_id))[-2:] == ["thread.run.failed", "done"]
    assert [one.run_id for one in bench.outbox.sent] == [following]
    assert bench.model.asked == 0
    assert "secret" not in caplog.text + str(record.last_error)


async def test_a_run_with_what_a_later_release_knows_is_executed_and_told_of_once(
    bench, scene, caplog
):
    name = f"of_a_later_release_{secrets.token_hex(4)}"
    for _ in range(2):
        enqueued = await scene.enqueue(thread_id=ids.new_thread_id())
        key = scene.keys.run(enqueued.run_id)
        request = from_json(await scene.command("HGET", key, "request"))
        request["options"][name] = "a secret"
        await scene.command("HSET", key, "request", to_json(request))
        asked = bench.model.asked
        bench.begin(enqueued.run_id)
        await wait_until_async(lambda asked=asked: bench.model.asked > asked)
    assert caplog.text.count(name) == 1
    assert "a secret" not in caplog.text
    await bench.executor.close()


async def test_a_run_that_cannot_be_read_ends_by_force_like_any_other(bench, scene):
    held = await scene.begin()
    await write_partly(held, "Half")
    await held.stored()
    await scene.command("HSET", scene.keys.run(held.record.id), "request", "{")
    ended = await scene.store.runs.force_end(held.record.id, status=Status.FAILED, lost=held.token)
    assert ended is not None
    assert ended.status is Status.FAILED
    assert await scene.texts() == ["hello", "Half"]


async def test_an_end_without_a_worker_is_logged_and_shown_once(bench, caplog):
    caplog.set_level(logging.INFO, logger="threadmill.worker")
    run_id = (await bench.scene.enqueue()).run_id
    await bench.scene.store.runs.cancel(run_id)

    await bench.executor.report_end(run_id)
    await bench.executor.report_end(run_id)
    await bench.begin(run_id)
    bench.events.flush()

    assert len([line for line in caplog.messages if f"{run_id} cancelled, " in line]) == 1
    assert [one["type"] for one in bench.told] == ["task-received", "task-started", "task-revoked"]


@pytest.mark.parametrize("way", ["report_end", "cancel_revoked"])
async def test_a_worker_that_closes_waits_for_the_end_that_it_reports(bench, monkeypatch, way):
    run_id = (await bench.scene.enqueue()).run_id
    await bench.scene.store.runs.cancel(run_id)
    claimed, may_answer = asyncio.Event(), asyncio.Event()

    async def claim_slowly(*args: Any) -> Any:
        found = await claim(*args)
        claimed.set()
        await may_answer.wait()
        return found

    claim = executor.claim
    monkeypatch.setattr(executor, "claim", claim_slowly)
    args = (run_id,) if way == "report_end" else (run_id, "the-revoked-one")
    reporting = asyncio.ensure_future(getattr(bench.executor, way)(*args))
    await claimed.wait()
    closing = asyncio.ensure_future(bench.executor.close())
    await asyncio.sleep(0.1)
    assert not closing.done()
    may_answer.set()
    await asyncio.gather(reporting, closing)
    bench.events.flush()
    assert [one["type"] for one in bench.told] == ["task-received", "task-started", "task-revoked"]


async def test_a_revoked_task_shows_the_end_of_its_run_and_no_other_one_does(bench, caplog):
    run_id = (await bench.scene.enqueue()).run_id

    await bench.executor.cancel_revoked(run_id, "the-revoked-one")
    await bench.begin(run_id)
    bench.events.flush()

    assert {one["uuid"] for one in bench.told} == {"the-revoked-one"}
    assert bench.told[-1]["type"] == "task-revoked"


async def test_a_run_that_the_store_refuses_to_write_for_fails_once_in_log_and_monitors(
    bench, caplog, monkeypatch
):
    caplog.set_level(logging.INFO, logger="threadmill.worker")
    run_id = await bench.begin_and_ask("first-task")
    [held] = bench.executor.held()
    held._stream.refusal = "ResponseError"

    held.stop(Interruption.LOST)
    await asyncio.wait(bench.begun)
    await bench.executor.execute(run_id, task_id="second-task")
    bench.events.flush()

    assert len([line for line in caplog.messages if f"{run_id} failed, " in line]) == 1
    assert [one["type"] for one in bench.told] == ["task-received", "task-started", "task-failed"]
    assert bench.told[-1]["exception"] == "ResponseError('server_error')"


async def test_a_run_that_has_ended_elsewhere_is_not_taken_for_lost_once_it_is_compacted(
    scene, bench, caplog
):
    caplog.set_level(logging.INFO, logger="threadmill.worker")
    run_id = await bench.begin_and_ask()
    [held] = bench.executor.held()
    await scene.store.runs.cancel(run_id)
    await scene.store.runs.force_end(run_id)
    assert await scene.store.logs.compact([run_id]) == ["ok"]

    held.stop(Interruption.LOST)
    await asyncio.wait(bench.begun)

    assert f"another worker has taken over {run_id}, or has ended it" in caplog.messages
