"""A log that has gone back to an earlier state: what those who had read more of it are told."""

from __future__ import annotations

import asyncio

import pytest
from tests.conftest import NAMESPACE
from tests.support.servers.snapshot import Snapshot
from tests.support.store.scene import OTHER, Scene, end_message, write_partly

from threadmill_shared import errors
from threadmill_shared.events.decoder import Event
from threadmill_shared.events.follow import LogFollower
from threadmill_shared.events.notifications import Notifications
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch
from threadmill_shared.store.connections import connect
from threadmill_shared.store.subscription import ChannelSubscription
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.interruption import Interruption, LostRun


@pytest.fixture
def tails(scene: Scene, redis_url, run):
    client = connect(redis_url, socket_timeout=None)
    notifications = Notifications(ChannelSubscription(client))
    yield LogFollower(scene.store, notifications)
    run(notifications.close())
    run(client.aclose())


async def follow(tails: LogFollower, run_id: str, after: int = 0) -> list[Event]:
    return [event async for group in tails.follow(run_id, after) for event in group]


async def next_group(groups) -> list[Event]:
    return await asyncio.wait_for(anext(groups), 3)


def as_before(held: HeldRun, serial: int) -> HeldRun:
    """The same attempt, as it was when it had written so many batches."""
    again = HeldRun(held._writer, held.record, seconds_left=60, position=held.position)
    again._stream.serial = serial
    return again


async def test_a_follower_that_has_read_more_than_there_is_now_is_told(scene, tails, redis_url):
    held = await scene.begin()
    await write_partly(held, "kept")
    snapshot = Snapshot(redis_url, NAMESPACE)
    await held.write(_deltas(" lost"))
    groups = tails.follow(held.record.id)
    await next_group(groups)

    snapshot.restore()

    with pytest.raises(errors.LogRewound, match="gone back"):
        await next_group(groups)


async def test_a_follower_is_never_given_other_events_under_numbers_that_it_has_read(
    scene, tails, redis_url
):
    held = await scene.begin()
    await write_partly(held, "kept")
    snapshot, serial = Snapshot(redis_url, NAMESPACE), held._stream.serial
    await held.write(_deltas(" one", " two"))
    groups = tails.follow(held.record.id)
    await next_group(groups)

    snapshot.restore()
    again = as_before(held, serial)
    await again.write(_deltas(" other", " words", " and", " more"))

    with pytest.raises(errors.LogRewound):
        await next_group(groups)


async def test_an_entry_of_the_same_number_that_says_something_else_is_noticed(
    scene, tails, redis_url
):
    held = await scene.begin()
    await write_partly(held)
    snapshot, serial = Snapshot(redis_url, NAMESPACE), held._stream.serial
    await held.write(_deltas("one"))
    groups = tails.follow(held.record.id)
    await next_group(groups)

    snapshot.restore()
    again = as_before(held, serial)
    await again.write(_deltas("two"))
    await again.write(_deltas("three"))

    with pytest.raises(errors.LogRewound):
        await next_group(groups)


async def test_a_run_that_ends_with_fewer_events_than_were_read_is_noticed(scene, tails, redis_url):
    held = await scene.begin()
    snapshot, serial = Snapshot(redis_url, NAMESPACE), held._stream.serial
    await write_partly(held, "lost", " and", " lost")
    groups = tails.follow(held.record.id)
    await next_group(groups)

    snapshot.restore()
    await as_before(held, serial).finish(Status.COMPLETED, Batch())

    with pytest.raises(errors.LogRewound):
        await next_group(groups)


async def test_a_follower_that_has_read_only_what_was_kept_goes_on(scene, tails, redis_url):
    held = await scene.begin()
    await write_partly(held, "kept")
    snapshot, serial = Snapshot(redis_url, NAMESPACE), held._stream.serial
    groups = tails.follow(held.record.id)
    first = await next_group(groups)
    await groups.aclose()
    await held.write(_deltas(" lost"))

    snapshot.restore()
    again = as_before(held, serial)
    await again.finish(Status.COMPLETED, end_message(held.record, "kept"))

    rest = await follow(tails, held.record.id, after=first[-1].id)
    assert [*first, *rest] == await follow(tails, held.record.id)


async def test_whoever_follows_anew_gets_the_log_as_it_is_now(scene, tails, redis_url):
    held = await scene.begin()
    await write_partly(held)
    snapshot, serial = Snapshot(redis_url, NAMESPACE), held._stream.serial
    await held.write(_deltas("lost"))
    groups = tails.follow(held.record.id)
    await next_group(groups)
    snapshot.restore()
    with pytest.raises(errors.LogRewound):
        await next_group(groups)

    again = as_before(held, serial)
    await again.write(_deltas("said"))
    await again.finish(Status.COMPLETED, end_message(held.record, "said"))

    events = await follow(tails, held.record.id)
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert "lost" not in str(events)


async def test_the_end_of_a_run_is_waited_for_across_a_rewind(scene, tails, redis_url):
    held = await scene.begin()
    snapshot, serial = Snapshot(redis_url, NAMESPACE), held._stream.serial
    await write_partly(held, "lost")
    ended = asyncio.ensure_future(tails.ended(held.record.id))
    await asyncio.sleep(0.05)

    snapshot.restore()
    await as_before(held, serial).finish(Status.COMPLETED, Batch())

    assert (await asyncio.wait_for(ended, 3)).status is Status.COMPLETED


async def test_a_run_that_was_made_after_the_kept_state_is_lost(scene, tails, redis_url):
    snapshot = Snapshot(redis_url, NAMESPACE)
    held = await scene.begin()
    groups = tails.follow(held.record.id)
    await next_group(groups)

    snapshot.restore()

    with pytest.raises(errors.RunLost):
        await next_group(groups)


# ---- places that a reader brings along ----------------------------------------------------------


async def test_a_place_behind_the_end_of_a_run_in_progress_is_refused(scene, tails):
    held = await scene.begin()
    last = (await scene.record(held.record.id)).events

    with pytest.raises(errors.LogRewound, match=f"its log ends at {last}"):
        await asyncio.wait_for(follow(tails, held.record.id, after=last + 1), 3)


async def test_a_place_at_the_very_end_of_a_run_in_progress_waits_for_more(scene, tails):
    held = await scene.begin()
    last = (await scene.record(held.record.id)).events
    groups = tails.follow(held.record.id, after=last)
    waiting = asyncio.ensure_future(anext(groups))
    await asyncio.sleep(1.2)  # longer than a reader waits before it looks at the record
    assert not waiting.done()

    await write_partly(held, "more")

    events = await waiting
    assert events[0].id == last + 1
    await groups.aclose()


async def test_a_reader_that_began_in_the_middle_of_an_entry_notices_too(scene, tails, redis_url):
    held = await scene.begin()
    await write_partly(held)
    snapshot, serial = Snapshot(redis_url, NAMESPACE), held._stream.serial
    await held.write(_deltas("a", "b", "c"))
    last = (await scene.record(held.record.id)).events
    groups = tails.follow(held.record.id, after=last - 1)
    assert [event.id for event in await next_group(groups)] == [last]

    snapshot.restore()
    again = as_before(held, serial)
    await again.write(_deltas("x", "y", "z", "and more"))

    with pytest.raises(errors.LogRewound):
        await next_group(groups)


def _deltas(*texts: str) -> Batch:
    batch = Batch()
    for text in texts:
        batch.delta(0, text)
    return batch


# ---- the holder ---------------------------------------------------------------------------------


async def test_a_holder_that_is_ahead_of_the_store_gives_its_run_back_as_it_is_stored(
    scene, redis_url
):
    held = await scene.begin()
    await write_partly(held, "kept")
    snapshot = Snapshot(redis_url, NAMESPACE)
    await held.write(_deltas(" lost"))
    interrupted = asyncio.Event()
    held.on_stop(interrupted.set)
    snapshot.restore()

    with pytest.raises(LostRun):
        await held.write(_deltas(" too"))
    assert interrupted.is_set()
    assert held.stop_reason is Interruption.YIELD
    dispatch = await held.release()

    assert dispatch == Dispatch(held.record.id, "tm", begun=True)
    again = await scene.claim(held.record.id, OTHER)
    await write_partly(again, "anew", number=1, step=1)
    deltas = [e.data for e in await scene.events(held.record.id) if e.event.endswith("ge.delta")]
    assert [data["delta"]["content"][0]["text"]["value"] for data in deltas] == ["kept", "anew"]


async def test_a_run_whose_last_writes_were_lost_does_not_end_but_goes_on(scene, redis_url):
    held = await scene.begin()
    snapshot = Snapshot(redis_url, NAMESPACE)
    await write_partly(held, "lost")
    snapshot.restore()

    dispatch = await held.finish(Status.COMPLETED, end_message(held.record, "lost"))

    assert dispatch == Dispatch(held.record.id, "tm", begun=True)
    assert await scene.status(held.record.id) is Status.QUEUED
    assert await scene.members("dispatched") == [held.record.id]


async def test_what_comes_after_the_store_has_gone_back_is_not_written(scene, client, redis_url):
    held = await scene.begin()
    snapshot = Snapshot(redis_url, NAMESPACE)
    await write_partly(held, "lost")
    snapshot.restore()
    with pytest.raises(LostRun):
        await held.write(_deltas("noticed"))
    before = len(client.outcomes)

    held.delta(0, "more")
    dispatch = await held.finish(Status.COMPLETED, Batch())

    assert dispatch == Dispatch(held.record.id, "tm", begun=True)
    assert client.outcomes[before:] == ["ok"]
    assert "thread.message.delta" not in await scene.event_names(held.record.id)


async def test_a_store_that_goes_back_once_more_meanwhile_changes_nothing(
    scene, redis_url, monkeypatch
):
    held = await scene.begin()
    earliest = Snapshot(redis_url, NAMESPACE)
    await write_partly(held, "lost later")
    earlier = Snapshot(redis_url, NAMESPACE)
    await held.write(_deltas(" lost first"))
    earlier.restore()
    read = scene.store.session.runner.command

    async def read_and_go_back(*command):
        found = await read(*command)
        earliest.restore()
        monkeypatch.undo()
        return found

    monkeypatch.setattr(scene.store.session.runner, "command", read_and_go_back)
    dispatch = await held.finish(Status.COMPLETED, Batch())

    assert dispatch == Dispatch(held.record.id, "tm", begun=True)
    assert await scene.status(held.record.id) is Status.QUEUED


async def test_a_run_that_is_being_cancelled_there_is_left_to_be_ended_by_force(scene, redis_url):
    held = await scene.begin()
    await scene.store.runs.cancel(held.record.id)
    snapshot = Snapshot(redis_url, NAMESPACE)
    await write_partly(held, "lost")
    snapshot.restore()

    with pytest.raises(LostRun):
        await held.finish(Status.CANCELLED, Batch())

    assert (await scene.store.runs.force_end(held.record.id)).status is Status.CANCELLED


async def test_a_run_whose_claim_was_lost_is_left_to_others(scene, redis_url):
    run_id = (await scene.enqueue()).run_id
    snapshot = Snapshot(redis_url, NAMESPACE)
    held = await scene.claim(run_id)
    await write_partly(held, "lost")
    snapshot.restore()

    with pytest.raises(LostRun):
        await held.write(_deltas("too"))
    with pytest.raises(LostRun):
        await held.release()

    assert held.stop_reason is Interruption.LOST
    assert await scene.members("dispatched") == [run_id]
