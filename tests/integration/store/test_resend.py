"""resend: a run that nobody has claimed for a while is sent again."""

from __future__ import annotations

import itertools

import pytest
from tests.integration.store.scene import OTHER

from threadmill_shared.runs import Dispatch
from threadmill_workers import sweep
from threadmill_workers.sweep import Sweep

NOW_AND_THEN = (1000, 4000)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is sent again as soon as a sweep finds it unclaimed."""
    monkeypatch.setattr(sweep, "UNCLAIMED_MS", 0)


async def seen(scene, run_id: str) -> str:
    key = f"{scene.store.keys.bucket(run_id)}dispatched"
    return f"{float(await scene.store.read('ZSCORE', key, run_id)):.0f}"


async def test_pauses_between_two_sends_double_up_to_the_longest(scene, client):
    run_id = (await scene.enqueue()).run_id
    scores = []
    for _ in range(4):
        assert await scene.store.resend(run_id, await seen(scene, run_id), NOW_AND_THEN)
        assert client.outcomes[-1] == "ok"
        scores.append(int(await seen(scene, run_id)))
    gaps = [later - earlier for earlier, later in itertools.pairwise(scores)]
    assert gaps == [
        pytest.approx(1000, abs=300),
        pytest.approx(2000, abs=300),
        pytest.approx(0, abs=300),
    ]


async def test_of_two_that_found_it_one_sends_it(scene, client):
    run_id = (await scene.enqueue()).run_id
    found = await seen(scene, run_id)
    assert await scene.store.resend(run_id, found, NOW_AND_THEN)
    assert await scene.store.resend(run_id, found, NOW_AND_THEN) is None
    assert client.outcomes[-1] == "moved"


async def test_a_run_that_was_claimed_meanwhile_is_not_sent(scene):
    run_id = (await scene.enqueue()).run_id
    found = await seen(scene, run_id)
    await scene.claim(run_id, OTHER)
    assert await scene.store.resend(run_id, found, NOW_AND_THEN) is None


async def test_a_sweep_sends_a_run_whose_message_was_lost(scene, at_once):
    run_id = (await scene.enqueue()).run_id
    sent: list[Dispatch | None] = []
    await Sweep(scene.store, sent.append).once()
    assert [one and one.run_id for one in sent] == [run_id]


async def test_a_run_that_had_begun_goes_to_the_queue_for_those(scene, at_once):
    held = await scene.begin()
    await scene.store.reclaim(await scene.record(held.record.id))
    sent: list[Dispatch | None] = []
    await Sweep(scene.store, sent.append).once()
    assert [one and one.begun for one in sent] == [True]


async def test_a_sweep_leaves_alone_what_was_sent_just_now(scene):
    await scene.enqueue()
    sent: list[Dispatch | None] = []
    await Sweep(scene.store, sent.append).once()
    assert sent == []
