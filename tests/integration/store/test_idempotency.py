"""Idempotency keys: whoever asks twice for the same gets the same run."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from threadmill_shared import errors, ids
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.run import Status
from threadmill_shared.records.thread import ThreadRef
from threadmill_shared.run_request import RunRequest, enqueue_command
from threadmill_shared.settings import Settings
from threadmill_shared.store.batch import Batch
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store
from threadmill_shared.tools import ToolSpec

ADA = Definition(id="asst_1", name="Ada", model="gpt-5.4-mini")
ROLL = ToolSpec(name="roll", parameters={"type": "object"}, identity="dice:roll", digest="d1")


async def test_two_processes_that_enqueue_a_hundred_times_at_once_make_one_run(scene, redis_url):
    client = connect(redis_url)
    other = Store(client, scene.keys.namespace)
    made = [scene.new_run(idempotency_key="monday") for _ in range(100)]

    enqueued = await asyncio.gather(
        *((scene.store, other)[number % 2].runs.enqueue(new) for number, new in enumerate(made))
    )

    await other.close()
    assert len({one.run_id for one in enqueued}) == 1
    assert sum(one.created for one in enqueued) == 1
    assert sum(one.send is not None for one in enqueued) == 1
    assert await scene.texts() == ["hello"]


async def test_a_key_belongs_to_its_thread(scene):
    here = await scene.enqueue(idempotency_key="monday")
    there = await scene.enqueue(idempotency_key="monday", thread_id=ids.new_thread_id())

    assert here.run_id != there.run_id


async def test_a_key_counts_before_a_busy_thread_and_a_full_line_do(scene):
    run = await scene.enqueue(idempotency_key="monday")

    for refusing in ({"when_busy": "reject"}, {"max_waiting": 0}):
        again = await scene.enqueue(idempotency_key="monday", **refusing)
        assert again.run_id == run.run_id


async def test_a_key_does_not_interrupt_its_own_run(scene):
    run = await scene.enqueue(idempotency_key="monday")

    again = await scene.enqueue(idempotency_key="monday", when_busy="interrupt")

    assert again.run_id == run.run_id
    assert await scene.status(run.run_id) is Status.QUEUED


async def test_a_key_lives_as_long_as_its_run_and_a_day_after_its_end(scene):
    held = await scene.begin(idempotency_key="monday")
    key = scene.keys.idempotency(scene.thread_id, "monday")
    assert await scene.ttl(key) == -1

    await held.finish(Status.COMPLETED, Batch())

    assert await scene.ttl(key) == pytest.approx(24 * 3600, abs=1)
    again = await scene.enqueue(idempotency_key="monday")
    assert again.run_id == held.record.id


async def test_a_key_may_be_any_text(scene):
    for key in ("{00}:run:x", "ключ", "a" * 5000, " "):
        run = await scene.enqueue(idempotency_key=key)
        assert (await scene.enqueue(idempotency_key=key)).run_id == run.run_id


async def test_without_a_key_the_same_content_makes_two_runs(scene):
    first = await scene.enqueue("hello")
    second = await scene.enqueue("hello")

    assert first.run_id != second.run_id


# ---- what requests make of keys -----------------------------------------------------------------


def test_without_a_thread_the_thread_follows_from_namespace_assistant_and_key():
    ask = RunRequest(ADA, "hello", idempotency_key="monday")
    settings = Settings(namespace="tm")

    first, second = enqueue_command(ask, settings), enqueue_command(ask, settings)

    assert first.run_id != second.run_id
    assert first.thread_id == second.thread_id
    others = [
        enqueue_command(replace(ask, idempotency_key="tuesday"), settings),
        enqueue_command(replace(ask, definition=ADA.model_copy(update={"name": "Bob"})), settings),
        enqueue_command(ask, Settings(namespace="other")),
    ]
    assert len({first.thread_id, *(other.thread_id for other in others)}) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"message": "good bye"},
        {"definition": ADA.model_copy(update={"name": "Bob"})},
        {"definition": ADA.model_copy(update={"model": "gpt-4.1"})},
        {"definition": ADA.model_copy(update={"tools": (ROLL,)})},
        {"additional_instructions": "Be kind."},
        {"context": {"user": 2}},
        {"options": {"temperature": 1}},
        {"instructions": "Be long."},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_key_with_other_content_is_refused_whatever_differs(scene, change):
    settings = Settings(namespace="tm")
    thread = ThreadRef(scene.thread_id, create=True)
    ask = RunRequest(ADA, "hello", thread=thread, idempotency_key="monday", context={"user": 1})
    await scene.store.runs.enqueue(enqueue_command(ask, settings))

    with pytest.raises(errors.IdempotencyMismatch):
        await scene.store.runs.enqueue(enqueue_command(replace(ask, **change), settings))


async def test_the_order_of_a_context_and_where_a_tool_lives_are_no_other_content(scene):
    settings = Settings(namespace="tm")
    thread = ThreadRef(scene.thread_id, create=True)
    moved = ROLL.model_copy(update={"identity": "games.dice:roll"})
    first, second = (
        RunRequest(
            ADA.model_copy(update={"tools": (tool,)}),
            "hello",
            thread=thread,
            idempotency_key="monday",
            context=context,
        )
        for tool, context in ((ROLL, {"a": 1, "b": 2}), (moved, {"b": 2, "a": 1}))
    )

    run = await scene.store.runs.enqueue(enqueue_command(first, settings))

    assert (await scene.store.runs.enqueue(enqueue_command(second, settings))).run_id == run.run_id
