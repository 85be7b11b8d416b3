"""Tools that endanger their worker, messages that are lost, workers that are replaced."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from tests.support.processes.worker import Worker, Workers
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.testing import Call, Pause, Reply, StandIn, Text
from threadmill_shared.broker.app import make_app
from threadmill_shared.settings import Settings

pytestmark = [
    pytest.mark.parametrize("api", ["responses"], indirect=True),
    pytest.mark.apart,
]

LONG = "tokens=150 delay=0.02"
"""What takes 3 s to answer."""
ENDLESS = "tokens=9999 delay=0.02"
"""What is not over before the test is."""


class Notes:
    """What the tools of a test's runs have noted: a word, the call's key, the process."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self.context = {"notes": str(path)}
        self._path = path

    def lines(self) -> list[list[str]]:
        return [line.split() for line in self._path.read_text().splitlines()]

    def words(self) -> list[str]:
        return [line[0] for line in self.lines()]


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


@pytest.fixture
def fleet(workers: Workers) -> Callable[..., list[Worker]]:
    def start(count: int, **environment: str) -> list[Worker]:
        return workers.start("dangerous", count, **environment)

    return start


def begin(text: str, notes: Notes, **options: object) -> Run:
    return Assistant.load("dangerous").enqueue(text, context=notes.context, **options)


def outputs(run: Run) -> list[str]:
    calls = [call for step in run.steps for call in step.tool_calls]
    return [call.output for call in calls if call.output is not None]


def named(workers: list[Worker], run: Run) -> Worker:
    wait_until(lambda: run.refresh().worker, "the run has a worker")
    [found] = [worker for worker in workers if worker.name == run.worker]
    return found


# ---- tools that end their worker ---------------------------------------------------------------


def test_a_run_that_ends_every_worker_fails_after_three_and_the_runs_beside_it_do_not(
    fleet, notes: Notes
) -> None:
    started = fleet(4)
    beside = [begin(LONG, notes) for _ in range(12)]
    run = begin("call die_again {}", notes)

    run.wait(40)

    assert (run.status, run.last_error and run.last_error.name) == ("failed", "worker_lost")
    assert "THREADMILL_MAX_ATTEMPTS" in (run.last_error.message if run.last_error else "")
    assert notes.words() == ["die_again"] * 3
    [call] = [call for step in run.steps[-1:] for call in step.tool_calls]
    line = f"tool die_again was interrupted in call {call.id} of {run.id}"

    def log() -> str:
        return "".join(worker.log() for worker in started)

    # Each attempt that begins with it says so, and the end does, a moment after it is stored.
    wait_until(lambda: log().count(line) == 3, "three lines")
    assert log().count("effect is not known: the run has failed") == 1
    assert {one.wait(40).status for one in beside} == {"completed"}
    assert max(one.attempt for one in beside) > 1
    Thread(run.thread_id).add("The thread is free.")


def test_a_call_whose_worker_died_is_reported_to_the_model_and_not_repeated(
    fleet, notes: Notes
) -> None:
    fleet(2)
    run = begin("call die {}", notes).wait(30)
    assert (run.status, run.attempt) == ("completed", 2)
    assert ["not known" in output for output in outputs(run)] == [True]
    assert notes.words() == ["die"]


def test_a_call_that_may_be_repeated_is_and_has_the_same_key(fleet, notes: Notes) -> None:
    fleet(2)
    run = begin("call die_once {}", notes).wait(30)
    assert (run.status, outputs(run)) == ("completed", ["survived"])
    (first, one_key, one_pid), (second, other_key, other_pid) = notes.lines()
    assert (first, one_key) == (second, other_key)
    assert one_pid != other_pid


def test_a_call_that_must_not_be_repeated_fails_its_run(fleet, notes: Notes) -> None:
    fleet(2)
    run = begin("call die_for_good {}", notes).wait(30)
    assert (run.status, run.last_error and run.last_error.name) == ("failed", "ToolInterrupted")
    assert notes.words() == ["die_for_good"]


def test_what_was_finished_before_a_death_is_not_done_again(
    fleet, notes: Notes, standin: StandIn
) -> None:
    turns = [
        Reply([Call("remember", {"word": "first"})]),
        Reply([Call("die", {})]),
        Reply([Call("remember", {"word": "last"})]),
        Reply([Text("Done.")]),
    ]
    standin.brain = lambda request: turns[len(request.tool_outputs)]
    fleet(2)

    run = begin("Go!", notes).wait(30)

    assert (run.status, run.text) == ("completed", "Done.")
    wanted = ["begin:first", "end:first", "die", "begin:last", "end:last"]
    assert notes.words() == wanted


# ---- workers that do not answer ----------------------------------------------------------------


def test_a_tool_that_blocks_the_loop_for_longer_than_a_lease_costs_no_takeover(
    fleet, notes: Notes
) -> None:
    both = fleet(2)
    run = begin('call block {"seconds": 4}', notes).wait(30)
    assert (run.status, run.attempt) == ("completed", 1)
    assert not [worker.name for worker in both if "is dead" in worker.log()]


@pytest.fixture
def thaw() -> Iterator[Callable[[int], None]]:
    frozen: list[int] = []
    yield frozen.append
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)


def test_a_worker_that_comes_back_stops_its_tools_and_writes_nothing(
    fleet, notes: Notes, thaw: Callable[[int], None]
) -> None:
    both = fleet(2)
    run = begin("call wait_for_ever {}", notes)
    wait_until(lambda: "begin:wait" in notes.words(), "the tool waits")
    frozen = named(both, run)
    os.kill(frozen.pid, signal.SIGSTOP)
    thaw(frozen.pid)
    run.wait(30)
    events = list(run.events())

    os.kill(frozen.pid, signal.SIGCONT)

    wait_until(lambda: "end:wait" in notes.words(), "the tool is stopped")
    assert (run.status, run.attempt) == ("completed", 2)
    assert list(run.events()) == events


def test_a_cancel_ends_a_run_within_two_seconds_while_its_worker_is_frozen_or_being_killed(
    fleet, notes: Notes, thaw: Callable[[int], None]
) -> None:
    workers: list[Worker] = []
    for number in (signal.SIGSTOP, signal.SIGKILL):
        workers += fleet(2)  # one of those before may take the run
        run = begin(ENDLESS, notes)
        worker = named(workers, run)
        os.kill(worker.pid, number)
        if number == signal.SIGSTOP:
            thaw(worker.pid)
        begun = time.monotonic()
        run.cancel()
        run.wait(10)
        assert run.status == "cancelled"
        assert time.monotonic() - begun <= 2
        Thread(run.thread_id).add("The thread is free.")


def test_a_consumer_that_takes_no_messages_any_more_is_started_again(fleet, notes: Notes) -> None:
    [worker] = fleet(1, WATCHDOG="hasty")
    assert begin("call make_deaf {}", notes).wait(20).status == "completed"
    assert begin("Can you hear me?", notes).wait(20).status == "completed"
    assert "is stalled" in worker.log()


# ---- messages ----------------------------------------------------------------------------------


def test_a_run_whose_message_was_lost_is_sent_again_within_seconds(
    fleet, notes: Notes, redis_url: str
) -> None:
    fleet(1)[0].kill()
    run = begin("Hello!", notes)
    with redis.Redis.from_url(redis_url) as broker:
        wait_until(lambda: broker.delete("threadmill"), "the message was there, and is lost")
    fleet(1)
    assert run.wait(15).status == "completed"


@pytest.mark.parametrize("is_running", [True, False])
def test_a_run_whose_task_is_revoked_is_cancelled(
    fleet, notes: Notes, redis_url: str, standin: StandIn, is_running: bool
) -> None:
    pause = Pause(after_tokens=1)
    standin.brain = lambda _: Reply([Text(["Once ", "upon a time."])], pause=pause)
    fleet(1, THREADMILL_CONCURRENCY="1")
    app = make_app(Settings())
    first = begin("Tell me a tale.", notes)
    wait_until(lambda: first.refresh().worker, "it is executed")
    if is_running:
        [tasks] = app.control.inspect().active().values()
        run, task_id = first, tasks[0]["id"]
    else:
        run = begin("And another one.", notes)
        with redis.Redis.from_url(redis_url) as broker:
            [message] = wait_until(lambda: broker.lrange("threadmill", 0, -1), "it waits")
        task_id = json.loads(message)["headers"]["id"]

    app.control.revoke(task_id, terminate=is_running, reply=True, limit=1, timeout=10)
    if not is_running:  # a worker looks at a message when it takes it
        pause.end()

    assert run.wait(10).status == "cancelled"


# ---- deploys -----------------------------------------------------------------------------------


def test_replacing_all_workers_under_load_fails_no_run_and_repeats_no_finished_call(
    workers: Workers, notes: Notes, standin: StandIn
) -> None:
    turns = [
        Reply([Call("remember", {"word": "one"}), Call("dawdle", {"seconds": 0.2})], delay=0.01),
        Reply([Call("remember", {"word": "two"})], delay=0.01),
        Reply([Text([f"{number} " for number in range(50)])], delay=0.02),
    ]
    standin.brain = lambda request: turns[min((len(request.tool_outputs) + 1) // 2, 2)]
    old = workers.start("dangerous", 3)
    runs: list[Run] = []
    over = threading.Event()

    def feed() -> None:
        while not over.is_set():
            runs.append(begin("Go!", notes))
            time.sleep(0.05)

    feeding = threading.Thread(target=feed)
    feeding.start()
    try:
        for worker in old:
            workers.start("dangerous")
            worker.terminate()
            wait_until(worker.has_ended, "the old worker has ended", timeout=15)
    finally:
        over.set()
        feeding.join()

    assert {run.wait(60).status for run in runs} == {"completed"}
    ended = Counter((word, key) for word, key, _ in notes.lines() if word.startswith("end:"))
    assert set(ended.values()) == {1}
    assert len(runs) > 50


# ---- servers -----------------------------------------------------------------------------------


def test_a_worker_refuses_a_server_that_evicts_keys(
    environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--maxmemory-policy", "allkeys-lru")
    with RedisServer(tmp_path, options=options) as server, Workers(tmp_path) as workers:
        monkeypatch.setenv("THREADMILL_REDIS_URL", server.url())
        with pytest.raises(AssertionError, match="maxmemory-policy to noeviction"):
            workers.start("dangerous")
