"""A full store takes nothing new in, and lets what is there come to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from tests.support.servers.clients import ask_all
from tests.support.store.registered_workers import register
from tests.support.store.scene import HOLDER, begin_message, end_message, write_partly
from tests.support.waiting import wait_until_async

from threadmill_shared import errors, ids
from threadmill_shared.model import ModelEvent, ModelRequest, TextDelta
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.files import FileContent
from threadmill_shared.records.messages import user_message
from threadmill_shared.records.run import Status
from threadmill_shared.records.worker_state import WorkerState
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.attachments import AttachedFiles
from threadmill_workers.execution.history import History
from threadmill_workers.execution.history_reducer import HistoryReducer
from threadmill_workers.execution.model_turn import ModelTurns
from threadmill_workers.execution.output_files import OutputFiles
from threadmill_workers.execution.provider_health import ProviderHealth
from threadmill_workers.metrics.recorder import MetricsRecorder


@pytest.fixture
def limit(client, run):
    """Sets `maxmemory`, in bytes."""

    async def set_limit(size: int) -> None:
        await ask_all(client, "config_set", "maxmemory", size)

    yield set_limit
    run(set_limit(0))


@pytest.fixture
def fill(limit):
    return lambda: limit(1)


async def test_nothing_new_is_taken_in(scene, fill):
    await fill()

    with pytest.raises(errors.StoreFull, match="maxmemory"):
        await scene.enqueue()
    message = (id := ids.new_message_id(), user_message(id, "hello"))
    with pytest.raises(errors.StoreFull):
        await scene.store.threads.add(scene.thread_id, [message], create=True)

    assert await scene.contents() == {}


async def test_assistants_and_files_are_deleted_and_not_stored(scene, fill):
    definition = Definition(id="asst_1", name="Ada", model="m")
    file = FileContent(ids.new_file_id(), "a.csv", b"1,2")
    await scene.store.assistants.create(definition)
    await scene.store.uploaded_files.upload(file, purpose="assistants")
    await fill()

    with pytest.raises(errors.StoreFull):
        await scene.store.assistants.create(definition.model_copy(update={"id": "asst_2"}))
    other = FileContent(ids.new_file_id(), "a.csv", b"1,2")
    with pytest.raises(errors.StoreFull):
        await scene.store.uploaded_files.upload(other, purpose="assistants")
    assert await scene.store.assistants.delete("asst_1")
    assert await scene.store.uploaded_files.delete(file.id)


async def test_a_look_says_why_nothing_is_written_and_writes_nothing(scene, fill):
    assert (await scene.store.inspector.census()).refusal is None
    await fill()
    refusal = (await scene.store.inspector.census()).refusal
    assert refusal is not None
    assert (refusal.kind, refusal.cause) == ("full", "its memory is full (maxmemory)")
    assert await scene.contents() == {}


async def test_what_a_worker_says_of_itself_is_written(scene, fill):
    await register(scene.store, WorkerInfo(HOLDER.id, HOLDER.name, 0, "tm.aaaa", ("tm",)))
    await fill()
    for running in (1, 2):
        await scene.store.workers.write_state(HOLDER.id, WorkerState(running=running))
    [found] = await scene.store.workers.registered()
    assert found.state is not None
    assert (found.state.running, found.state_age) == (2, pytest.approx(0, abs=2))


async def test_it_counts_as_full_from_nine_tenths_on(scene, client, limit):
    used = max(info["used_memory"] for info in await ask_all(client, "info", "memory"))
    await limit(int(used / 0.95))

    message = (id := ids.new_message_id(), user_message(id, "hello"))
    with pytest.raises(errors.StoreFull):
        await scene.enqueue()
    with pytest.raises(errors.StoreFull):
        await scene.store.threads.add(scene.thread_id, [message], create=True)


async def test_a_repeated_call_finds_its_run_and_says_nothing_of_the_room(scene, client, limit):
    first = await scene.enqueue("first", idempotency_key="monday")
    used = max(info["used_memory"] for info in await ask_all(client, "info", "memory"))
    await limit(int(used / 0.95))
    scene.store.memory_guard._read_at = float("-inf")  # as after a second

    assert (await scene.enqueue("first", idempotency_key="monday")).run_id == first.run_id
    with pytest.raises(errors.IdempotencyMismatch):
        await scene.enqueue("second", idempotency_key="monday")
    with pytest.raises(errors.StoreFull):
        await scene.enqueue("second")


async def test_a_run_in_progress_can_end_and_the_next_takes_the_head(scene, fill):
    held = await scene.begin("first")
    following = await scene.enqueue("second")
    await write_partly(held, "Hello!")
    await fill()

    dispatch = await held.finish(Status.COMPLETED, end_message(held.record, "Hello!"))

    assert dispatch == Dispatch(following.run_id, "tm")
    assert await scene.texts() == ["first", "Hello!", "second"]


async def test_a_run_whose_write_was_refused_ends_with_what_it_carried(scene, fill):
    held = await scene.begin("hello")
    await fill()
    held.put(begin_message())
    held.delta(0, "Hi!")
    await wait_until_async(lambda: held.finds_no_room, "the write was refused")

    await asyncio.wait_for(held.finish(Status.COMPLETED, end_message(held.record, "Hi!")), 5)

    assert await scene.status(held.record.id) is Status.COMPLETED
    assert await scene.texts() == ["hello", "Hi!"]
    ids_of_events = [event.id for event in await scene.events(held.record.id)]
    assert ids_of_events == list(range(1, len(ids_of_events) + 1))


async def test_a_run_can_be_cancelled_and_ended_by_force(scene, fill):
    held = await scene.begin()
    waiting = await scene.enqueue()
    await write_partly(held, "Once")
    await fill()

    assert (await scene.store.runs.cancel(waiting.run_id)).status is Status.CANCELLED
    assert (await scene.store.runs.cancel(held.record.id)).status is Status.CANCELLING
    assert (await scene.store.runs.force_end(held.record.id)).status is Status.CANCELLED


async def test_a_run_can_be_given_back(scene, fill):
    held = await scene.begin()
    await fill()

    assert await held.release() == Dispatch(held.record.id, "tm", begun=True)


async def test_a_run_can_be_taken_from_a_holder_that_is_gone(scene, fill):
    held = await scene.begin()
    record = await scene.record(held.record.id)
    await fill()

    assert (await scene.store.runs.reclaim(record, max_deaths=3)).outcome == "ok"


async def test_an_idle_thread_can_be_deleted(scene, fill):
    await scene.store.runs.cancel((await scene.enqueue()).run_id)
    await fill()

    await scene.store.threads.delete(scene.thread_id)

    assert await scene.store.threads.record(scene.thread_id) is None


async def test_a_holders_write_waits_for_room_and_the_log_says_so_once(scene, limit, fill, caplog):
    held = await scene.begin()
    await fill()
    writing = asyncio.ensure_future(held.write(begin_message()))
    done, _ = await asyncio.wait([writing], timeout=0.2)
    assert not done

    await limit(0)
    await asyncio.wait_for(writing, 5)

    assert [m for m in caplog.messages if "Redis is full" in m] == caplog.messages[:1]
    assert (await scene.event_names(held.record.id))[-1] == "thread.message.in_progress"
    await held.finish(Status.COMPLETED, Batch())


class Endless:
    """A model that says a word whenever it is asked for the next one, for ever."""

    def __init__(self) -> None:
        self.said = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        while True:
            self.said += 1
            yield TextDelta("word ")
            await asyncio.sleep(0)

    async def close(self) -> None:
        pass


async def test_a_providers_stream_is_not_read_on_while_there_is_no_room(scene, limit, fill):
    held = await scene.begin()
    model, history = Endless(), History(scene.store, scene.thread_id, held.position, None)

    async def wait_for_lease() -> None:
        pass

    asking = asyncio.ensure_future(
        ModelTurns(
            held=held,
            model=model,
            history=history,
            reducer=HistoryReducer(held=held, store=scene.store, history=history, model=model),
            wait_for_lease=wait_for_lease,
            provider=ProviderHealth(),
            retries=0,
            attached=AttachedFiles(scene.store, held, None),
            output_files=OutputFiles(scene.store, held, None, 1000),
            metrics=MetricsRecorder(),
        ).ask()
    )
    await wait_until_async(lambda: model.said > 100)
    await fill()
    await wait_until_async(lambda: held.finds_no_room)
    said = model.said
    await asyncio.sleep(0.3)
    assert model.said <= said + 1

    await limit(0)
    await wait_until_async(lambda: model.said > said + 100)
    asking.cancel()
    await asyncio.wait([asking])
    await held.finish(Status.CANCELLED, Batch())
