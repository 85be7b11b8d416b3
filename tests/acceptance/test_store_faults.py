"""A Redis that stands still, is killed and started again, or is full: runs outlive it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.acceptance.scripts import callers
from tests.support.processes.script import Script
from tests.support.processes.worker import Worker, Workers
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant, Event, Run, errors
from threadmill.testing import Pause, Reply, StandIn, Text

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

PAUSE_SECONDS = 10.0
NUMBERS = [f"{number} " for number in range(150)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that keeps an append-only file, as `docker-compose.yml` has it."""
    with RedisServer(tmp_path_factory.mktemp("faulty"), appendonly=True) as server:
        yield server


@pytest.fixture
def redis_url(server: RedisServer) -> str:
    return server.fresh_database()


@contextlib.contextmanager
def standing_still(server: RedisServer) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


class Follower(threading.Thread):
    """Follows a run as a consumer does, to its end."""

    def __init__(self, run: Run) -> None:
        super().__init__(daemon=True)
        self.events: list[Event] = []
        self._run = Run.load(run.id)
        self.start()
        wait_until(lambda: self.events, "the run is followed")

    def run(self) -> None:
        for event in self._run.events():
            self.events.append(event)


def begin_tales(standin: StandIn, count: int, pause: Pause) -> list[Run]:
    """Runs in the middle of their messages, which go on when the test ends the pause."""
    standin.brain = lambda _: Reply([Text(NUMBERS)], delay=0.02, pause=pause)
    runs = [Assistant(name="plain").enqueue("Tell me a tale.") for _ in range(count)]
    standin.wait_until(
        lambda requests: len(requests) == count and all(len(r.token_times) > 3 for r in requests)
    )
    return runs


def assert_undisturbed(runs: list[Run], followers: list[Follower], workers: list[Worker]) -> None:
    """They completed where they had begun, with all that was said, and nobody was found dead."""
    for run in runs:
        run.wait(30)
        assert (run.status, run.attempt, run.text) == ("completed", 1, "".join(NUMBERS))
    for run, follower in zip(runs, followers, strict=True):
        follower.join(10)
        numbers = [event.id for event in follower.events]
        assert numbers == list(range(1, len(numbers) + 1))
        assert follower.events == list(run.events())
    for worker in workers:
        assert "dead" not in worker.log()
        assert "elsewhere" not in worker.log()
        assert not worker.has_ended()


def test_runs_outlive_a_redis_that_stands_still_for_ten_seconds(
    server: RedisServer, workers: Workers, standin: StandIn
) -> None:
    fleet = workers.start("bot", 2)
    pause = Pause(after_tokens=50)
    runs = begin_tales(standin, 6, pause)
    followers = [Follower(run) for run in runs]

    with standing_still(server):
        pause.end()
        begun = time.monotonic()
        with pytest.raises(errors.WaitTimeout):
            runs[0].wait(0.5)
        assert time.monotonic() - begun < 3
        with pytest.raises(errors.StoreUnavailable, match="Redis cannot be reached"):
            Assistant(name="plain").enqueue("Are you there?")
        assert time.monotonic() - begun < PAUSE_SECONDS
        time.sleep(begun + PAUSE_SECONDS - time.monotonic())

    assert_undisturbed(runs, followers, fleet)


def test_runs_outlive_a_redis_that_is_killed_and_started_again(
    server: RedisServer, workers: Workers, standin: StandIn
) -> None:
    fleet = workers.start("bot", 2)
    pause = Pause(after_tokens=50)
    runs = begin_tales(standin, 6, pause)
    followers = [Follower(run) for run in runs]
    enqueued = Assistant(name="plain").enqueue("And another one.")

    server.kill()
    pause.end()
    server.start()

    assert_undisturbed(runs, followers, fleet)
    assert enqueued.wait(20).status == "completed"


def test_a_callers_function_is_called_once_while_redis_stands_still(
    server: RedisServer, workers: Workers, tmp_path: Path
) -> None:
    workers.start("toolbox")
    path = tmp_path / "notes"
    arguments = json.dumps({"path": str(path), "seconds": PAUSE_SECONDS + 6})
    both = f"call note {arguments} call note_again {arguments}"
    caller = Script("-m", callers.__name__, both)
    run = Run.load(caller.line())
    wait_until(lambda: path.exists() and len(path.read_text().split()) == 2, "both are called")
    waiting = threading.Thread(target=wait_patiently, args=(run,))
    waiting.start()  # and so this process would call them if the other one were lost
    with standing_still(server):
        time.sleep(PAUSE_SECONDS + 1)  # longer than the lease of a call
    waiting.join()
    caller.finish()
    assert [call.output for step in run.steps for call in step.tool_calls] == [str(caller.pid)] * 2


def wait_patiently(run: Run) -> None:
    with contextlib.suppress(errors.StoreUnavailable):
        run.wait(60)
        return
    wait_patiently(run)


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client
        client.config_set("maxmemory", 0)


def test_a_full_redis_takes_nothing_in_costs_no_takeover_and_lets_runs_be_cancelled(
    workers: Workers, standin: StandIn, broker: redis.Redis
) -> None:
    fleet = workers.start("bot", 2)
    pause = Pause(after_tokens=50)
    cancelled, *runs = begin_tales(standin, 4, pause)
    followers = [Follower(run) for run in runs]

    broker.config_set("maxmemory", 1)
    pause.end()
    begun = time.monotonic()
    wait_until(is_refused, "nothing new is taken in", 3)
    assert cancelled.cancel().wait(5).status == "cancelled"
    time.sleep(max(begun + 5 - time.monotonic(), 0))  # longer than a lease
    assert {run.refresh().status for run in runs} == {"in_progress"}
    broker.config_set("maxmemory", 0)

    assert_undisturbed(runs, followers, fleet)
    standin.brain = lambda _: Reply([Text(["There is room."])])
    wait_until(lambda: not is_refused(), "there is room again", 3)


def is_refused() -> bool:
    try:
        Assistant(name="plain").enqueue("Is there room?")
    except errors.StoreFull:
        return True
    return False
