"""lease_call: one process executes a parked run's call, and one that is lost is looked at twice."""

from __future__ import annotations

import pytest
from tests.support.servers.clients import ask_all
from tests.support.store.scene import CALL, park_call

from threadmill_shared import errors
from threadmill_shared.store import parked_runs


async def parked(scene):
    """A parked run's calls, and its id."""
    held = await scene.begin()
    await held.park(park_call(held, "output"), 600_000)
    return scene.store.parked_runs, held.record.id


@pytest.fixture
def lapsing(monkeypatch):
    """Leases lapse at once."""
    monkeypatch.setattr(parked_runs, "LEASE_SECONDS", 0)
    return monkeypatch


async def test_a_lessee_that_is_silent_is_lost_at_the_second_look(scene, lapsing):
    runs, run_id = await parked(scene)
    await runs.lease_call(run_id, CALL, "first", may_repeat=False)

    for may_repeat in (True, False):
        found = await runs.lease_call(run_id, CALL, "second", may_repeat=may_repeat)
        assert found == ("silent", "first")

    found = await runs.lease_call(run_id, CALL, "second", may_repeat=False, suspect="first")
    assert found == ("lapsed", "")
    found = await runs.lease_call(run_id, CALL, "second", may_repeat=True, suspect="first")
    assert found == ("ok", "")


async def test_a_lessee_that_was_silent_and_lives_keeps_its_call(scene, lapsing):
    runs, run_id = await parked(scene)
    await runs.lease_call(run_id, CALL, "first", may_repeat=True)
    assert (await runs.lease_call(run_id, CALL, "second", may_repeat=True))[0] == "silent"

    lapsing.undo()
    assert await runs.lease_call(run_id, CALL, "first", may_repeat=True) == ("kept", "")

    found = await runs.lease_call(run_id, CALL, "second", may_repeat=True, suspect="first")
    assert found == ("taken", "")


async def test_a_full_store_takes_no_call_away_and_lets_nobody_begin_one(
    scene, lapsing, client, run
):
    runs, run_id = await parked(scene)
    try:
        await ask_all(client, "config_set", "maxmemory", 1)
        with pytest.raises(errors.StoreFull):
            await runs.lease_call(run_id, CALL, "second", may_repeat=True)
        await ask_all(client, "config_set", "maxmemory", 0)

        await runs.lease_call(run_id, CALL, "first", may_repeat=True)
        lapsing.undo()
        await ask_all(client, "config_set", "maxmemory", 1)
        assert await runs.lease_call(run_id, CALL, "first", may_repeat=True) == ("kept", "")
    finally:
        await ask_all(client, "config_set", "maxmemory", 0)
    assert await runs.lease_call(run_id, CALL, "second", may_repeat=True) == ("taken", "")
