"""Incidents of replicated Redis servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.environment import isolated_environment
from tests.support.pauses import Pauses
from tests.support.processes.worker import Workers
from tests.support.runbook import Operator, sections
from tests.support.servers.replication import ReplicatedRedis, SentinelFleet

from threadmill import Assistant
from threadmill.testing import Reply, StandIn, Text

pytestmark = pytest.mark.apart

NUMBERS = [f"{number} " for number in range(40)]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[SentinelFleet]:
    with SentinelFleet(tmp_path) as fleet:
        yield fleet


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[ReplicatedRedis]:
    with ReplicatedRedis(tmp_path) as replicated:
        yield replicated


def test_redis_has_failed_over(
    request: pytest.FixtureRequest, fleet: SentinelFleet, standin: StandIn, tmp_path: Path
) -> None:
    with (
        isolated_environment(fleet.url(), standin, "responses"),
        Workers(tmp_path) as workers,
    ):
        operator = Operator(sections()[request.node.originalname], workers)
        [worker] = workers.start("bot")
        pauses = Pauses(5, 30)
        standin.brain = lambda _: Reply([Text(NUMBERS)], pause=pauses)
        run = Assistant.load("plain").enqueue("Count.")
        acts = {5: fleet.detach_replica, 25: fleet.primary.kill}
        deltas = 0
        for event in run.events():
            deltas += event.event == "thread.message.delta"
            if act := acts.pop(deltas, None):
                act()
                pauses.end()
            if not acts:
                break
        operator.look(log=worker.log, RUN_ID=run.id)
        fleet.primary.start()
        operator.cure()
        assert run.wait(40).status == "completed"
        assert run.text == "".join(NUMBERS)
        operator.see("threadmill doctor", "ok … redis.replication … 1 replicas, all online")


def test_no_replica_confirms_writes(
    request: pytest.FixtureRequest, replicated: ReplicatedRedis, standin: StandIn, tmp_path: Path
) -> None:
    with (
        isolated_environment(replicated.primary.url(), standin, "responses"),
        Workers(tmp_path) as workers,
    ):
        operator = Operator(sections()[request.node.originalname], workers)
        [worker] = workers.start("toolbox")
        replicated.pause_replica()
        run = Assistant.load("toolbox").enqueue('call show_int {"value": 2}')
        operator.look(log=worker.log)
        assert run.refresh().status == "in_progress"
        operator.instead("systemctl start redis-server", replicated.resume_replica)
        operator.cure()
        assert run.wait(30).status == "completed"
