"""The last release and this one on one store, each as producer and as worker, under load."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from tests.support.paths import SCRIPTS
from tests.support.processes.celery_client import say_task, send_tasks
from tests.support.processes.last_release import last_release
from tests.support.processes.worker import Worker, Workers
from tests.support.store.leaks import TERMINAL
from tests.support.waiting import wait_until

from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store

SCRIPT = SCRIPTS / "either_release.py"
LINES = 6
"""Threads on which both releases talk at a time."""
RUNS_PER_THREAD = 12
_PAUSE = 0.15
"""Seconds from one say to the next; the machine is others' too."""
_END_SECONDS = 90.0

pytestmark = [
    pytest.mark.parametrize("api", ["responses"], indirect=True),
    pytest.mark.apart,
    pytest.mark.timeout(240),
]


# ---- what is said --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A way to use the API that the last release has, too."""

    message: str
    options: dict[str, Any] = field(default_factory=dict)
    assistant: str = "clerk"
    ends: str = "completed"
    says: str = ""
    """What is in its last message."""


KINDS = {
    "short": Kind("tokens=20 delay=0.02", says="1 2 3"),
    "tool": Kind('call add {"a": 1, "b": 41}', says="42"),
    "long": Kind("tokens=120 delay=0.02", says="119 120"),
    "context": Kind("call tenant {}", {"context": {"tenant": "acme"}}, says="acme"),
    "slow tool": Kind('call dawdle {"seconds": 1.5}', says="dawdled"),
    "options": Kind(
        "tokens=5",
        {
            "instructions": "Be brief.",
            "additional_instructions": "Be polite, too.",
            "temperature": 0.5,
            "tool_choice": "auto",
            "metadata": {"order": "7"},
            "truncation_strategy": {"type": "last_messages", "last_messages": 4},
            "model": "gpt-other",
        },
    ),
    "approval": Kind('call refund {"order": 7}', says="7 refunded"),
    "cancel": Kind("tokens=900 delay=0.02", ends="cancelled"),
    "caller's function": Kind('call sign {"paper": 3}', {"signs": True}, says="3 signed"),
    "result": Kind("Some numbers", {"counts": True}, says="result"),
    "hosted": Kind("Plot it", assistant="plotter", says="Here is the plot"),
}


@dataclass(frozen=True)
class Said:
    """One say, by both releases with the same idempotency key."""

    kind: Kind
    thread: str
    message: str
    run_id: str
    key: str


# ---- processes -----------------------------------------------------------------------------------


class Producer:
    """A process of either release that does what it is asked for."""

    def __init__(self, python: str, log: Path) -> None:
        self._log = log
        self._turn = threading.Lock()
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [python, str(SCRIPT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def ask(self, word: str, *arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(json.dumps([word, *arguments]) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        assert answer, f"{word} {arguments}:\n{self._log.read_text()}"
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # its input ends, and so does it
        print(self._log.read_text())


class Load(threading.Thread):
    """Has both releases say something all along, each first in turn, the other the same again."""

    def __init__(self, producers: list[Producer]) -> None:
        super().__init__(name="load")
        self._producers = producers
        self._is_over = threading.Event()
        self._numbers = itertools.count()
        self.said: list[Said] = []
        self.late: list[Said] = []
        """Runs that wait for an approval, whose time comes when all is upgraded."""
        self.failure: BaseException | None = None
        self._long: list[str] = []

    def run(self) -> None:
        kinds = itertools.cycle(KINDS.values())
        try:
            while not self._is_over.wait(_PAUSE):
                self._say(next(kinds))
        except BaseException as error:  # noqa: BLE001  told by `stop`
            self.failure = error

    def stop(self) -> None:
        self._is_over.set()
        self.join()
        if self.failure is not None:
            raise self.failure

    def park(self) -> None:
        """A run that waits for its approval for long, on a thread of its own."""
        for _ in self._producers:
            said = self._twice(KINDS["approval"], f"parked-{len(self.late)}", len(self.late))
            self.late.append(said)

    def begin_long(self) -> list[str]:
        """One more long run, on a thread of its own; returns the latest of them."""
        number = len(self._long)
        self._long.append(self._twice(KINDS["long"], f"long-{number}", number).run_id)
        return self._long[-10:]

    def _say(self, kind: Kind) -> None:
        number = next(self._numbers)
        thread = f"{number % LINES}-{number // (LINES * RUNS_PER_THREAD)}"
        said = self._twice(kind, thread, number)
        _, second = self._in_turn(number)
        if kind is KINDS["approval"]:
            second.ask("approve", said.run_id)
        elif kind is KINDS["cancel"]:
            second.ask("cancel", said.run_id)

    def _twice(self, kind: Kind, thread: str, number: int) -> Said:
        message, key = f"{kind.message} #{number}", f"{thread}-{number}"
        words = ("enqueue", kind.assistant, thread, message, key, kind.options)
        first, second = (one.ask(*words) for one in self._in_turn(number))
        assert first == second, f"{message} has two runs"
        said = Said(kind, thread, message, first, key)
        self.said.append(said)
        return said

    def _in_turn(self, number: int) -> list[Producer]:
        return self._producers if number % 2 else self._producers[::-1]


class Fleet:
    """Workers of either release."""

    def __init__(self, workers: Workers, last: str, load: Load, eye: Producer) -> None:
        self._workers, self._load, self._eye = workers, load, eye
        self._pythons = {"last": last, "this": sys.executable}
        self._now: list[Worker] = []
        self.names: dict[str, set[str]] = {"last": set(), "this": set()}
        self.struck: list[tuple[str, str]] = []
        """Runs whose worker was killed, and the release that has to go on with them."""

    def start(self, release: str) -> None:
        # So the first to publish it is the last release once, and this one once.
        clerk = "changed" if self.names["last"] else "first"
        python = self._pythons[release]
        started = self._workers.start("upgraded", 2, python=python, CLERK=clerk)
        self._now += started
        self.names[release] |= {worker.name for worker in started}

    def replace(self, release: str) -> None:
        """Start two workers of this release; kill one of those before, and stop the other."""
        killed, stopped = self._now
        self._now = []
        self.start(release)
        stopped.terminate()
        wait_until(lambda: "told to stop" in stopped.log(), "it takes nothing more")
        held = wait_until(lambda: self._freeze_with_a_run(killed), "it has a long run", 30)
        killed.kill()
        self.struck += [(run_id, release) for run_id in held]
        assert stopped.ends()
        # Else the next replacement could give them to yet another worker.
        wait_until(lambda: all(map(self._has_ended, held)), "its runs have ended", 60)

    def _has_ended(self, run_id: str) -> bool:
        return str(self._eye.ask("look", run_id)[0]) in TERMINAL

    def _freeze_with_a_run(self, worker: Worker) -> list[str]:
        """Freeze it with runs that it will not have ended when it dies; say one more each time."""
        run_ids = self._load.begin_long()
        worker.freeze()  # what it holds now, it cannot end
        held = self._held_by(worker, run_ids)
        if not held:
            worker.thaw()
        return held

    def _held_by(self, worker: Worker, run_ids: list[str]) -> list[str]:
        looks = {run_id: self._eye.ask("look", run_id) for run_id in run_ids}
        return [id for id, look in looks.items() if look[:2] == ["in_progress", worker.name]]


# ---- the test ------------------------------------------------------------------------------------


@pytest.fixture
def last(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter that has the last release."""
    return last_release(tmp_path_factory.mktemp("last"))


@pytest.fixture
def producers(environment: None, last: str, tmp_path: Path) -> Iterator[list[Producer]]:
    """One of the last release, one of this."""
    with (
        Producer(last, tmp_path / "last.log") as old,
        Producer(sys.executable, tmp_path / "this.log") as new,
    ):
        yield [old, new]


def test_two_releases_on_one_store_lose_nothing_and_agree_on_everything(
    workers: Workers, producers: list[Producer], last: str
) -> None:
    old, new = producers
    load = Load(producers)
    fleet = Fleet(workers, last, load, new)
    fleet.start("last")
    load.park()
    load.start()
    try:
        for release in ("this", "last", "this"):
            send_through_the_door(release)
            fleet.replace(release)
            load.park()
            assert new.ask("lists_are_incomplete") or release == "this"
    finally:
        load.stop()
    for number, said in enumerate(load.late):
        producers[number // 2 % 2].ask("approve", said.run_id)
    wait_for_all(load, producers)
    assert_taken_over(fleet, new)
    assert_each_ended_as_it_should(load, producers)
    assert_order(load, producers)
    assert_the_same_again(load, producers)
    assert_compaction_changes_nothing(load, producers)
    assert_door_tasks(producers)
    assert_definitions(old, new)
    assert_lists(load, new, said_through_the_door(old))
    assert "could not be executed" not in workers.logs()


def wait_for_all(load: Load, producers: list[Producer]) -> None:
    deadline = time.monotonic() + _END_SECONDS
    for number, said in enumerate(load.said):
        producers[number % 2].ask("ended", said.run_id)
        assert time.monotonic() < deadline, f"{said} is late"
    for producer in producers:
        producer.ask("settle")


def assert_taken_over(fleet: Fleet, eye: Producer) -> None:
    """What a killed worker of one release had begun, one of the other has ended."""
    ended_by: defaultdict[str, set[str]] = defaultdict(set)
    for run_id, release in fleet.struck:
        status, worker, attempt = eye.ask("look", run_id)
        assert (status, attempt > 1) == ("completed", True), run_id
        ended_by[release].add(worker)
    for release, names in fleet.names.items():
        assert ended_by[release] & names, f"{release}: {ended_by[release]}"


def assert_each_ended_as_it_should(load: Load, producers: list[Producer]) -> None:
    for said in load.said:
        old_story, new_story = (producer.ask("story", said.run_id) for producer in producers)
        assert_shows(new_story, old_story, said.message)
        assert new_story["status"] == said.kind.ends, f"{said}: {new_story['error']}"
        if said.kind.ends == "completed":
            assert said.kind.says in new_story["messages"][-1]["content"][0]["text"]["value"]
        assert_whole_log(new_story["events"], said)


def assert_shows(new: Any, old: Any, where: str) -> None:
    """Whatever the last release shows, this one shows as well; it may have more."""
    if isinstance(old, dict) and isinstance(new, dict):
        assert old.keys() <= new.keys(), where
        for name, value in old.items():
            if is_shown_otherwise(name, value, new):
                continue
            assert_shows(new[name], value, f"{where}.{name}")
    elif isinstance(old, list) and isinstance(new, list):
        assert len(old) == len(new), where
        for number, (one, other) in enumerate(zip(new, old, strict=True)):
            assert_shows(one, other, f"{where}.{number}")
    else:
        assert new == old, where


def is_shown_otherwise(name: str, old: Any, new: dict[str, Any]) -> bool:
    """Whether this release shows it in another way on purpose.

    A user's message has no run's id. A hosted call comes with its first delta only, since handlers
    join ids that come twice. A run says when it expires at more of its events.
    """
    return (
        (name == "run_id" and new.get("role") == "user")
        or (name == "tool_calls" and old and not new[name] and old[0]["type"] != "function")
        or (name == "expires_at" and old is None)
    )


def assert_whole_log(events: list[dict[str, Any]], said: Said) -> None:
    assert [event["id"] for event in events] == list(range(1, len(events) + 1)), said
    ends = [e["event"] for e in events if e["event"].removeprefix("thread.run.") in TERMINAL]
    assert ends == [f"thread.run.{said.kind.ends}"], said
    assert [event["event"] for event in events[-2:]] == [ends[0], "done"], said


def assert_order(load: Load, producers: list[Producer]) -> None:
    """The runs of a thread stand there one after the other, as they were enqueued."""
    threads: defaultdict[str, list[Said]] = defaultdict(list)
    for said in load.said:
        threads[said.thread].append(said)
    for thread, line in threads.items():
        enqueued = [said.run_id for said in line]
        texts = [producer.ask("said", thread) for producer in producers]
        # Only the last release shows a run's id at a user's message.
        shown = [[(role, role != "user" and id, text) for role, id, text in one] for one in texts]
        assert shown[0] == shown[1]
        spoken = [run_id for run_id, _ in itertools.groupby(texts[0], key=lambda one: one[1])]
        # A run that was cancelled in its thread's line has said nothing.
        assert spoken == [run_id for run_id in enqueued if run_id in spoken], thread
        completed = {said.run_id for said in line if said.kind.ends == "completed"}
        assert completed <= set(spoken), thread
        for producer in producers:
            assert producer.ask("runs", thread) == enqueued


def assert_the_same_again(load: Load, producers: list[Producer]) -> None:
    for said in load.said:
        for producer in producers:
            words = (said.kind.assistant, said.thread, said.message, said.key, said.kind.options)
            assert producer.ask("enqueue", *words) == said.run_id
    for producer in producers:
        producer.ask("settle")


def assert_compaction_changes_nothing(load: Load, producers: list[Producer]) -> None:
    """Both releases read compacted runs as they did before, and know their idempotency keys."""
    run_ids = [said.run_id for said in load.said]
    before = [[one.ask("story", run_id) for run_id in run_ids] for one in producers]
    asyncio.run(compact(run_ids))
    for producer, stories in zip(producers, before, strict=True):
        for run_id, story in zip(run_ids, stories, strict=True):
            assert without_times(producer.ask("story", run_id)) == without_times(story), run_id
    assert_the_same_again(load, producers)


async def compact(run_ids: list[str]) -> None:
    store = Store(connect(os.environ["THREADMILL_REDIS_URL"]), "threadmill")
    try:
        assert set(await store.logs.compact(run_ids)) == {"ok"}
    finally:
        await store.close()


def without_times(story: dict[str, Any]) -> dict[str, Any]:
    """Those of the pieces of a text are approximate once its log is compacted."""
    events = [{name: one[name] for name in one if name != "at"} for one in story["events"]]
    return story | {"events": events}


def send_through_the_door(id: str) -> None:
    """A task that a worker of either release takes, and again: it has the same id."""
    kwargs = {
        "assistant": "clerk",
        "message": "call tenant {}",
        "context": {"tenant": "acme"},
        "instructions": "Be brief.",
        "additional_instructions": "Be polite.",
        "options": {"temperature": 0.5},
    }
    send_tasks(*[say_task(f"task-{n}", thread_key=f"door-{n}", **kwargs) for n in range(3)] * 3)


def assert_door_tasks(producers: list[Producer]) -> None:
    for number in range(3):
        [run_id] = wait_until(lambda n=number: producers[0].ask("runs", f"door-{n}"), "a run")
        for producer in producers:
            assert producer.ask("ended", run_id) == "completed"
            assert "acme" in producer.ask("said", f"door-{number}")[-1][2]


def said_through_the_door(producer: Producer) -> list[str]:
    return [run_id for number in range(3) for run_id in producer.ask("runs", f"door-{number}")]


def assert_lists(load: Load, new: Producer, at_the_door: list[str]) -> None:
    """Lists have every run and every thread, whoever has written what, and no status of old."""
    wait_until(lambda: not new.ask("lists_are_incomplete"), "lists are complete", 60)
    found = dict(new.ask("listed_runs", {}))
    assert found.keys() == {said.run_id for said in load.said} | {*at_the_door}
    for run_id, status in found.items():
        assert new.ask("look", run_id)[0] == status
    for status in TERMINAL | {"queued", "in_progress", "requires_action", "cancelling"}:
        of_status = {run_id for run_id, _ in new.ask("listed_runs", {"status": status})}
        assert of_status == {run_id for run_id, now in found.items() if now == status}, status
    by_name = [
        id for name in ("clerk", "plotter") for id, _ in new.ask("listed_runs", {"assistant": name})
    ]
    assert sorted(by_name) == sorted(found)
    threads = {new.ask("story", run_id)["thread"] for run_id in found}
    assert set(new.ask("listed_threads")) == threads


def assert_definitions(old: Producer, new: Producer) -> None:
    """Workers of both releases have published the same ones: each version once."""
    for name, version in (("clerk", 2), ("plotter", 1)):
        assert old.ask("definition", name)["version"] == version
        assert_shows(new.ask("definition", name), old.ask("definition", name), name)
    for maker, changer in ((old, new), (new, old)):
        id = maker.ask("create", "made")
        changer.ask("change", id, "Second.")
        maker.ask("change", id, "Third.")
        found = changer.ask("definition", id)
        assert (found["version"], found["instructions"]) == (3, "Third.")
        assert_shows(new.ask("definition", id), old.ask("definition", id), id)
