"""A primary that dies: Sentinel promotes its replica, and workers and producers find it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.scripts import callers
from tests.support.environment import isolated_environment
from tests.support.pauses import Pauses
from tests.support.processes.worker import Workers
from tests.support.servers.replication import ReplicatedRedis, SentinelFleet
from tests.support.waiting import wait_until

from threadmill import Assistant, Event, EventHandler, Run, Thread, errors
from threadmill.testing import Reply, StandIn, Text, converse
from threadmill_shared.store.parked_runs import LEASE_SECONDS

pytestmark = pytest.mark.apart

NUMBERS = [f"{number} " for number in range(100)]
SECONDS = 40.0
"""Until a say must have ended, whatever happens."""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[SentinelFleet]:
    with SentinelFleet(tmp_path) as fleet:
        yield fleet


@pytest.fixture
def failing_over(fleet: SentinelFleet, standin: StandIn, tmp_path: Path) -> Iterator[Workers]:
    """Workers, and this process as a producer, that know the sentinels only."""
    with isolated_environment(fleet.url(), standin, "responses"), Workers(tmp_path) as workers:
        yield workers


class Actor(EventHandler):
    """Does something when so many pieces of text have come."""

    def __init__(
        self, acts: dict[int, Callable[[], object]], told: list[Any], pauses: Pauses
    ) -> None:
        self._acts = acts
        self._told = told
        self._pauses = pauses
        self._pieces = 0

    def on_event(self, event: Event) -> None:
        self._told.append(event)
        if event.event == "thread.message.delta":
            self._pieces += 1
            if act := self._acts.pop(self._pieces, None):
                act()
                self._pauses.end()

    def on_rewound(self, reason: errors.LogRewound) -> None:
        self._told.append(reason)


def count(standin: StandIn, acts: dict[int, Callable[[], object]], told: list[Any]) -> Run:
    """Have the model count, and do these things while it waits after so many numbers."""
    pauses = Pauses(*acts)
    standin.brain = lambda _: Reply([Text(NUMBERS)], delay=0.02, pause=pauses)
    arguments = {"acts": acts, "told": told, "pauses": pauses}
    return Assistant.load("plain").say(
        "Count.",
        thread=Thread(),
        event_handler_class=Actor,
        event_handler_kwargs=arguments,
        timeout=SECONDS,
    )


def briefly(name: str, text: str) -> Run:
    return Assistant.load(name).say(
        text, thread=Thread(), event_handler_class=None, timeout=SECONDS
    )


def test_runs_go_on_when_the_primary_is_killed(
    fleet: SentinelFleet, failing_over: Workers, standin: StandIn
) -> None:
    failing_over.start("bot")
    assert briefly("plain", "Hello!").status == "completed"

    told: list[Any] = []
    try:
        run = count(standin, {20: fleet.primary.kill}, told)
        assert run.status == "completed"
        assert run.text == "".join(NUMBERS)
    except errors.RunLost:  # its very last writes may not have been replicated
        pass

    standin.brain = converse
    wait_until(fleet.has_failed_over, "the replica is promoted", 20)
    assert briefly("plain", "Hello again!").status == "completed"
    assert briefly("plain", "And again!").status == "completed"


def test_a_failover_that_loses_writes_is_told_to_followers_and_the_run_goes_on(
    fleet: SentinelFleet, failing_over: Workers, standin: StandIn
) -> None:
    [worker] = failing_over.start("bot")
    told: list[Any] = []

    run = count(standin, {5: fleet.detach_replica, 30: fleet.primary.kill}, told)

    assert run.status == "completed"
    assert run.text == "".join(NUMBERS)
    [anew] = [at for at, one in enumerate(told) if isinstance(one, errors.LogRewound)]
    assert [event.id for event in told[anew + 1 :]] == list(range(1, len(told) - anew))
    assert f"{run.id} continues from an earlier state" in worker.log()


def test_a_tool_is_not_called_while_no_replica_knows_of_the_call(
    standin: StandIn, tmp_path: Path
) -> None:
    with (
        ReplicatedRedis(tmp_path) as replicated,
        isolated_environment(replicated.primary.url(), standin, "responses"),
        Workers(tmp_path) as workers,
    ):
        [worker] = workers.start("toolbox")
        assert briefly("toolbox", 'call show_int {"value": 1}').status == "completed"
        replicated.pause_replica()

        run = Assistant.load("toolbox").enqueue(
            'call count_calls {"of": "show_int"} call show_int {"value": 2}'
        )
        wait_until(lambda: "no Redis replica has confirmed" in worker.log(), "it waits", 20)
        standin.wait_until(lambda requests: len(requests) == 3, timeout=20)
        with pytest.raises(errors.WaitTimeout):
            run.wait(2)
        assert len(standin.requests) == 3

        replicated.resume_replica()
        assert run.wait(20).status == "completed"


def test_a_function_of_the_caller_that_waits_for_a_replica_stays_its_own(
    standin: StandIn, tmp_path: Path
) -> None:
    with (
        ReplicatedRedis(tmp_path) as replicated,
        isolated_environment(replicated.primary.url(), standin, "responses"),
        Workers(tmp_path) as workers,
    ):
        workers.start("toolbox")
        path = tmp_path / "notes"
        run = callers.ai.enqueue(f"call note {json.dumps({'path': str(path)})}")
        wait_until(lambda: run.refresh().status == "requires_action", "it parks", 20)
        replicated.pause_replica()

        began = time.monotonic()
        others = [threading.Thread(target=Run.load(run.id).wait) for _ in range(2)]
        for other in others:
            other.start()
        wait_until(lambda: time.monotonic() - began > LEASE_SECONDS + 5, "a lease passes", 30)
        assert not path.exists()

        replicated.resume_replica()
        for other in others:
            other.join(20)
        [call] = [call for step in run.refresh().steps for call in step.tool_calls]
        assert path.read_text().splitlines() == [call.output]
