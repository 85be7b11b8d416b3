"""enqueue: a run takes the head of a free thread, or waits in the line of a busy one."""

from __future__ import annotations

import pytest
from tests.support.store.lossy_client import LossyClient
from tests.support.store.scene import Scene

from threadmill_shared import errors, ids
from threadmill_shared.records.changes import Dispatch, Enqueued
from threadmill_shared.records.run import Status
from threadmill_shared.store.connections import connect


async def test_a_run_on_a_free_thread_takes_its_head_and_is_to_be_sent(scene, client):
    new = scene.new_run("Roll five dice", queue="tm.dice")

    enqueued = await scene.store.runs.enqueue(new)

    assert client.outcomes == ["dispatch"]
    created_at = (await scene.record(new.run_id)).created_at
    assert enqueued == Enqueued(
        new.run_id, 0, Dispatch(new.run_id, "tm.dice"), created=True, created_at=created_at
    )
    assert await scene.status(new.run_id) is Status.QUEUED
    assert await scene.members("dispatched") == [new.run_id]
    assert await scene.texts() == ["Roll five dice"]
    assert await scene.event_names(new.run_id) == ["thread.run.created", "thread.run.queued"]


async def test_a_run_is_sent_by_the_script_if_the_broker_is_the_same_redis(scene, client):
    queue = own_queue(scene)
    new = scene.new_run(queue=queue)

    enqueued = await scene.store.runs.enqueue(new, b"its task")

    assert (client.outcomes, enqueued.send) == (["dispatch"], None)
    assert await taken_from(scene, queue) == ["its task"]


async def test_a_run_whose_task_is_refused_is_stored_and_is_to_be_sent(scene):
    queue = own_queue(scene)
    await scene.command("SET", queue, "a text of somebody else's")
    new = scene.new_run(queue=queue)

    enqueued = await scene.store.runs.enqueue(new, b"its task")

    assert enqueued.send == Dispatch(new.run_id, queue)
    assert await scene.members("dispatched") == [new.run_id]
    await scene.command("UNLINK", queue)


async def test_a_run_that_waits_is_not_sent(scene):
    await scene.enqueue("first")
    queue = own_queue(scene)
    new = scene.new_run(queue=queue)

    enqueued = await scene.store.runs.enqueue(new, b"its task")

    assert (enqueued.ahead, enqueued.send) == (1, None)
    assert await taken_from(scene, queue) == []


async def test_a_run_that_takes_the_head_from_another_is_sent_by_the_script(scene):
    first = await scene.enqueue("first")
    queue = own_queue(scene)
    new = scene.new_run("second", queue=queue, when_busy="interrupt")

    enqueued = await scene.store.runs.enqueue(new, b"its task")

    assert await scene.status(first.run_id) is Status.CANCELLED
    assert (enqueued.ahead, enqueued.send) == (0, None)
    assert await taken_from(scene, queue) == ["its task"]


def own_queue(scene: Scene) -> str:
    """In the thread's bucket, since a cluster's script reaches no other key."""
    return f"{scene.keys.bucket(scene.thread_id)}a-queue"


async def taken_from(scene: Scene, queue: str) -> list[str]:
    found: list[str] = await scene.command("LRANGE", queue, 0, -1)
    await scene.command("UNLINK", queue)
    return found


async def test_a_run_on_a_busy_thread_waits_and_its_message_is_not_in_the_thread_yet(scene, client):
    await scene.enqueue("first")
    second = await scene.enqueue("second")
    third = await scene.enqueue("third")

    assert client.outcomes == ["dispatch", "waiting", "waiting"]
    assert (second.ahead, second.send) == (1, None)
    assert (third.ahead, third.send) == (2, None)
    assert await scene.texts() == ["first"]
    last_event = (await scene.events(third.run_id))[-1]
    assert (last_event.event, last_event.data) == ("threadmill.run.waiting", {"ahead": 2})


async def test_a_message_is_kept_in_the_run_until_it_enters_the_thread(scene):
    first = await scene.enqueue("first")
    second = await scene.enqueue("second")
    key = scene.keys.run(second.run_id)
    assert '"second"' in await scene.command("HGET", key, "message")

    await scene.store.runs.cancel(first.run_id)

    assert await scene.command("HGET", key, "message") is None
    assert await scene.texts() == ["first", "second"]


async def test_a_run_without_a_message_takes_the_thread_as_it_is(scene):
    await scene.enqueue(None)

    assert await scene.items() == []


async def test_a_caller_that_does_not_want_to_wait_is_told_who_holds_the_thread(scene, client):
    holder = await scene.enqueue()
    before = await scene.contents()

    with pytest.raises(errors.ThreadLocked) as refused:
        await scene.enqueue(when_busy="reject")

    assert client.outcomes[-1] == "locked"
    assert refused.value.run_id == holder.run_id
    assert await scene.contents() == before


async def test_a_line_takes_no_more_runs_than_its_limit(scene, client):
    await scene.enqueue()
    await scene.enqueue(max_waiting=1)
    before = await scene.contents()

    with pytest.raises(errors.ThreadFull, match="has 1 run, as many"):
        await scene.enqueue(max_waiting=1)

    assert client.outcomes[-1] == "full"
    assert await scene.contents() == before


async def test_a_thread_that_is_not_there_is_made_only_where_that_is_wanted(scene, client):
    with pytest.raises(errors.ThreadNotFound):
        await scene.enqueue(create_thread=False)

    assert client.outcomes == ["no_thread"]
    assert await scene.contents() == {}


async def test_an_idempotency_key_gives_the_run_that_it_belongs_to(scene, client):
    first = await scene.enqueue("hello", idempotency_key="monday")
    second = await scene.enqueue("hello", idempotency_key="monday")

    assert client.outcomes == ["dispatch", "same"]
    assert second == Enqueued(first.run_id, 0, None, created=False, created_at=0)


async def test_an_idempotency_key_with_other_content_is_refused(scene, client):
    await scene.enqueue("hello", idempotency_key="monday")
    before = await scene.contents()

    with pytest.raises(errors.IdempotencyMismatch, match="different content"):
        await scene.enqueue("good bye", idempotency_key="monday")

    assert client.outcomes[-1] == "mismatch"
    assert await scene.contents() == before


async def test_a_lost_answer_to_the_first_run_is_answered_again(scene: Scene, client: LossyClient):
    new = scene.new_run()

    client.lose_next_answer()
    enqueued = await scene.store.runs.enqueue(new)

    assert client.outcomes == ["dispatch", "again"]
    created_at = (await scene.record(new.run_id)).created_at
    assert enqueued == Enqueued(
        new.run_id, 0, Dispatch(new.run_id, "tm"), created=True, created_at=created_at
    )


async def test_a_lost_answer_to_a_waiting_run_is_answered_with_its_place(scene, client):
    await scene.enqueue()
    await scene.enqueue()
    new = scene.new_run()

    client.lose_next_answer()
    enqueued = await scene.store.runs.enqueue(new)

    assert client.outcomes[-2:] == ["waiting", "again"]
    created_at = (await scene.record(new.run_id)).created_at
    assert enqueued == Enqueued(new.run_id, 2, None, created=True, created_at=created_at)


# ---- interrupt ---------------------------------------------------------------------------------


async def test_an_interrupting_run_ends_a_queued_holder_and_takes_its_place(scene):
    holder = await scene.enqueue("first")
    waiting = await scene.enqueue("second")

    interrupting = await scene.enqueue("now", when_busy="interrupt")

    assert interrupting.send == Dispatch(interrupting.run_id, "tm")
    assert await scene.status(holder.run_id) is Status.CANCELLED
    assert await scene.texts() == ["first", "now"]
    assert await scene.store.runs.count_ahead(await scene.record(waiting.run_id)) == 1


async def test_a_lost_answer_to_an_interrupt_still_says_that_the_run_is_to_be_sent(scene, client):
    await scene.enqueue()
    new = scene.new_run(when_busy="interrupt")

    client.lose_next_answer()
    enqueued = await scene.store.runs.enqueue(new)

    assert client.outcomes[-2:] == ["dispatch", "again"]
    assert enqueued.send == Dispatch(new.run_id, "tm")


async def test_an_interrupting_run_cancels_a_holder_in_progress_and_waits_in_front(scene):
    held = await scene.begin()
    queued = await scene.enqueue("queued")

    interrupting = await scene.enqueue("now", when_busy="interrupt")

    assert await scene.status(held.record.id) is Status.CANCELLING
    assert (interrupting.ahead, interrupting.send) == (1, None)
    assert await scene.members(f"line:{scene.thread_id}") == [interrupting.run_id, queued.run_id]


async def test_interrupting_runs_keep_their_own_order_and_never_cancel_each_other(scene):
    held = await scene.begin()
    await scene.enqueue("queued")
    first = await scene.enqueue("first", when_busy="interrupt")
    second = await scene.enqueue("second", when_busy="interrupt")

    dispatch = await scene.store.runs.force_end(held.record.id)
    third = await scene.enqueue("third", when_busy="interrupt")

    assert dispatch.send == Dispatch(first.run_id, "tm")
    assert await scene.status(first.run_id) is Status.QUEUED
    line = await scene.members(f"line:{scene.thread_id}")
    assert line[:2] == [second.run_id, third.run_id]


async def test_threads_do_not_wait_for_each_other(scene):
    await scene.enqueue()

    elsewhere = await scene.enqueue(thread_id=ids.new_thread_id())

    assert elsewhere.send is not None


@pytest.mark.one_server
async def test_a_producer_whose_idle_connections_were_cut_enqueues_as_ever(
    scene, client, redis_url
):
    await scene.enqueue()
    scene.store.session.memory_guard._read_at = float("-inf")  # it has been idle since
    other = connect(redis_url)
    await other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await other.aclose()

    enqueued = await scene.enqueue("again", thread_id=ids.new_thread_id())

    assert await scene.status(enqueued.run_id) is Status.QUEUED
    await client.connection_pool.disconnect(inuse_connections=False)  # of those cut, unused so far
