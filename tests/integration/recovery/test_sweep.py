"""The sweep: what is overdue is ended, but not by the clock of a server that has just come."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from tests.support.store.scene import HOLDER, Scene, begin_call, write_partly

from threadmill_shared import ids
from threadmill_shared.records.changes import CANCEL_MS, Dispatch
from threadmill_shared.records.run import Status
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store
from threadmill_workers.membership.failure_detector import Dead
from threadmill_workers.recovery import sweep
from threadmill_workers.recovery.redelivery import Redelivery
from threadmill_workers.recovery.sweep import Sweep
from threadmill_workers.recovery.takeover import Takeover

ANOTHER = "another server"


@dataclass
class Sweeping:
    """A sweep, and what it has sent."""

    sweep: Sweep
    takeover: Takeover
    sent: list[Dispatch | None] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)


@pytest.fixture
def sweeping(store: Store) -> Sweeping:
    sent: list[Dispatch | None] = []
    reported: list[str] = []

    async def report(run_id: str) -> None:
        reported.append(run_id)

    takeover = Takeover(store, sent.append, max_deaths=3)
    resending = Redelivery(store, sent.append, lambda queue, now: None)
    return Sweeping(Sweep(store, takeover, resending, report), takeover, sent, reported)


async def nothing(_: str) -> None:
    """Report no end."""


async def overdue(scene: Scene) -> str:
    """A run that was not claimed in the time that it had for that."""
    run_id = (await scene.enqueue(wait_seconds=0.0)).run_id
    await scene.passes((await scene.record(run_id)).created_at)
    return run_id


async def test_a_run_that_is_overdue_is_ended(scene, sweeping):
    run_id = await overdue(scene)
    await sweeping.sweep.scan_indexes()
    assert await scene.status(run_id) is Status.EXPIRED


async def test_one_run_that_cannot_be_read_keeps_no_other_from_its_end(scene, sweeping, caplog):
    unreadable = await overdue(scene)
    await scene.command("HSET", scene.keys.run(unreadable), "status", "of later")
    other = await overdue(Scene(scene.store, "thread_3f" + ids.new_thread_id()[9:]))

    await sweeping.sweep.scan_indexes()

    assert await scene.status(other) is Status.EXPIRED
    assert f"could not end {unreadable}" in caplog.text
    await scene.command("HSET", scene.keys.run(unreadable), "status", "in_progress")
    await sweeping.sweep.scan_indexes()
    assert await scene.status(unreadable) is Status.EXPIRED


async def test_a_run_whose_request_cannot_be_read_is_ended_like_any_other(scene, sweeping):
    run_id = await overdue(scene)
    await scene.command("HSET", scene.keys.run(run_id), "request", '{"of": "later"}')
    await sweeping.sweep.scan_indexes()
    assert await scene.status(run_id) is Status.EXPIRED


async def test_a_registration_of_a_later_version_keeps_nobody_from_finding_the_dead(
    scene, sweeping
):
    later = WorkerInfo("host:9:ffff", "host:9", 0, "tm.ffff", ("tm",))
    text = later.encode().replace("{", '{"colour": "blue",', 1)
    await scene.command("HSET", scene.keys.alive(), later.id, text)

    await sweeping.sweep.check_workers()

    assert [worker.id for worker in sweeping.sweep._failure_detector.workers] == [later.id]
    await scene.command("HDEL", scene.keys.alive(), later.id)


@pytest.mark.parametrize("looks_at_workers", [True, False])
async def test_nothing_is_ended_for_a_while_after_the_server_has_changed(
    scene, sweeping, monkeypatch, looks_at_workers
):
    """The clock of the one that took over may be minutes ahead."""
    run_id = await overdue(scene)
    await sweeping.sweep.check_workers()
    sweeping.sweep._server = ANOTHER  # as if what is there now had taken its place
    if looks_at_workers:
        await sweeping.sweep.check_workers()

    await sweeping.sweep.scan_indexes()
    assert await scene.status(run_id) is Status.QUEUED

    monkeypatch.setattr(sweep, "NEW_SERVER_SECONDS", 0)
    await sweeping.sweep.scan_indexes()
    assert await scene.status(run_id) is Status.EXPIRED


@pytest.mark.one_server
async def test_where_the_server_may_not_be_asked_who_it_is_what_is_overdue_is_ended(
    scene, sweeping, redis_url
):
    rules = ("reset", "on", ">secret", "~*", "&*", "+@all", "-@dangerous")
    await scene.command("ACL", "SETUSER", "limited", *rules)
    poor = Store(connect(redis_url.replace("://", "://limited:secret@")), "tm")
    takeover = Takeover(poor, sweeping.sent.append, max_deaths=3)
    limited = Sweep(
        poor, takeover, Redelivery(poor, sweeping.sent.append, lambda *_: None), nothing
    )
    run_id = await overdue(scene)

    await limited.check_workers()
    await limited.scan_indexes()

    assert await scene.status(run_id) is Status.EXPIRED
    await poor.close()
    await scene.command("ACL", "DELUSER", "limited")


@pytest.mark.parametrize("is_new", [True, False])
async def test_deaths_after_the_server_has_changed_do_not_count_against_runs(
    scene, sweeping, monkeypatch, is_new
):
    held = await scene.begin()
    held.put(begin_call(held.record, "call_1"))
    await held.stored()
    await sweeping.sweep.check_workers()
    if is_new:
        sweeping.sweep._server = ANOTHER

    async def find(holders: object) -> list[Dead]:
        return [Dead(HOLDER.id, "", expired=True)]

    monkeypatch.setattr(sweeping.sweep._failure_detector, "find", find)
    await sweeping.sweep.check_workers()

    assert await scene.status(held.record.id) is Status.QUEUED
    key = scene.keys.run(held.record.id)
    deaths = await scene.command("HMGET", key, "deaths", "call_deaths")
    assert deaths == ([None, None] if is_new else ["1", "1"])


def test_in_a_large_fleet_each_looks_more_rarely_but_soon_again_where_somebody_may_be_dead(
    sweeping,
):
    """So that two looks at a worker's lease are not a whole round apart."""
    one = WorkerInfo("host:1:aaaa", "host:1", 0, "tm.aaaa")
    pauses = []
    for workers, is_alarmed in ((1, False), (400, False), (400, True)):
        sweeping.sweep._failure_detector.workers = [one] * workers
        sweeping.sweep._failure_detector.is_alarmed = is_alarmed
        pauses.append(sweeping.sweep._pause(sweep.WATCH_SECONDS))
    few, many, alarmed = pauses
    assert few < 0.35
    assert many > 10
    assert alarmed == pytest.approx(2.1)


async def test_a_cancelled_run_whose_worker_does_not_end_it_is_ended_after_a_second(
    scene, sweeping
):
    held = await scene.begin()
    await write_partly(held, "Once upon a time")
    await scene.store.runs.cancel(held.record.id)

    await sweeping.sweep.scan_indexes()
    assert await scene.status(held.record.id) is Status.CANCELLING

    await scene.passes(await scene.store.server.now() + CANCEL_MS)
    await sweeping.sweep.scan_indexes()
    assert await scene.status(held.record.id) is Status.CANCELLED


async def test_a_sweep_reports_the_ends_that_nobody_has_reported_in_time(scene, sweeping):
    run_id = (await scene.enqueue()).run_id
    await scene.store.runs.cancel(run_id)
    await sweeping.sweep.scan_indexes()
    assert sweeping.reported == []  # the message that was sent for the run may come

    await scene.passes((await scene.record(run_id)).ended_at + 2000)
    await sweeping.sweep.scan_indexes()

    assert sweeping.reported == [run_id]
