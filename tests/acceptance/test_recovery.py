"""A worker that is frozen: its run goes on elsewhere, and it comes back as a new one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from tests.support.processes.worker import Worker, Workers
from tests.support.provider_requests import is_speaking
from tests.support.waiting import wait_until

from threadmill import Assistant, Event, Run
from threadmill.testing import Pause, Reply, StandIn, Text

pytestmark = [
    pytest.mark.parametrize("api", ["responses"], indirect=True),
    pytest.mark.apart,
]

FROZEN_SECONDS = 6.0
"""From a freeze to the first event of the next attempt."""
NUMBERS = [f"{number} " for number in range(200)]


def tell_a_tale(standin: StandIn, pause: Pause) -> Run:
    """A run in the middle of a message."""
    standin.brain = lambda _: Reply([Text(NUMBERS)], delay=0.02, pause=pause)
    asked = len(standin.requests)
    run = Assistant(name="plain").enqueue("Tell me a tale.")
    standin.wait_until(lambda requests: len(requests) > asked and is_speaking(requests))
    wait_until(lambda: run.refresh().worker, "the run has a worker")
    return run


def holder(workers: list[Worker], run: Run) -> Worker:
    [found] = [worker for worker in workers if worker.name == run.worker]
    return found


def taken_over(run: Run) -> Event:
    """Wait for the first event of the next attempt."""
    return next(event for event in run.events() if event.event == "threadmill.run.takeover")


def seconds_to_takeover(worker: Worker, run: Run) -> float:
    begun = time.monotonic()
    os.kill(worker.pid, signal.SIGSTOP)
    taken_over(run)
    return time.monotonic() - begun


@pytest.fixture
def frozen() -> Iterator[list[int]]:
    """Processes that were stopped; they go on at the end, or they could not be ended."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def test_a_frozen_workers_run_goes_on_elsewhere_and_it_comes_back_as_a_new_one(
    workers: Workers, standin: StandIn, frozen: list[int], report: Callable[[str], None]
) -> None:
    fleet = workers.start("bot", 2)
    pause = Pause(after_tokens=100)
    run = tell_a_tale(standin, pause)
    worker = holder(fleet, run)
    frozen.append(worker.pid)

    seconds = seconds_to_takeover(worker, run)
    pause.end()
    report(f"from freeze to the next attempt\n{seconds:.1f} s")
    assert seconds <= FROZEN_SECONDS

    run.wait(20)
    assert (run.status, run.attempt) == ("completed", 2)
    assert run.text == "".join(NUMBERS)
    events = list(run.events())
    assert [event.id for event in events] == list(range(1, len(events) + 1))

    [other] = [one for one in fleet if one is not worker]
    other.kill()
    frozen.remove(worker.pid)
    os.kill(worker.pid, signal.SIGCONT)
    again = Assistant(name="plain").enqueue("And again.").wait(20)
    assert (again.status, again.worker) == ("completed", worker.name)
    assert "was declared dead" in worker.log()
    assert list(run.events()) == events
