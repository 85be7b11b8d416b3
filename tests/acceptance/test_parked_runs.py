"""Runs that wait for somebody outside hold up nobody else."""

from __future__ import annotations

import threading

import pytest
from tests.support.processes.worker import Workers
from tests.support.waiting import wait_until

from threadmill import Assistant

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)


def test_two_hundred_parked_runs_hold_no_slot_of_a_worker_with_four(workers: Workers) -> None:
    workers.start("toolbox", THREADMILL_CONCURRENCY="4")
    release = threading.Event()

    def hold() -> str:
        release.wait(60)
        return "held"

    ai = Assistant(tools=[hold])
    parked = [ai.enqueue("call hold {}") for _ in range(200)]
    wait_until(
        lambda: all(run.refresh().status == "requires_action" for run in parked),
        "all are parked",
        60,
    )
    others = [Assistant().enqueue("tokens=3") for _ in range(8)]
    assert [run.wait(10).status for run in others] == ["completed"] * 8
    release.set()
    assert parked[0].wait(20).status == "completed"
    for run in parked[1:]:
        run.cancel()
    assert {run.refresh().status for run in parked[1:]} == {"cancelled"}
