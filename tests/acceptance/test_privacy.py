"""What users say is in the store, in the broker until a worker has taken it from a foreign service,
and nowhere else: a marked text goes every way there is, and is then looked for everywhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.acceptance.scripts.secretive import ANSWERS, MARK, wish
from tests.support.environment import embedded_environment, isolated_environment
from tests.support.paths import SCRIPTS
from tests.support.processes.broker_monitor import Broker, Envelope, listening
from tests.support.processes.celery_client import run_task, say_task, send_tasks
from tests.support.processes.commands import STRICT, run_command
from tests.support.processes.flower import Flower, running_flower
from tests.support.processes.worker import Worker
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Thread
from threadmill.testing import StandIn, by_text

PASSWORD = "heron-password-of-redis"
KEY = "sk-otter-key-of-the-provider"
SECRETIVE = "tests.acceptance.scripts.secretive"

WRONG = f"{{{{ {MARK} }}}}"
"""A template that cannot be rendered."""

FOREIGN: list[dict[str, Any]] = [
    say_task("f0", assistant="secretive", message=wish("say"), thread_key=MARK),
    say_task(
        "f1",
        assistant="secretive",
        message=wish("tools"),
        thread_key="foreign",
        context={"secret": MARK},
        instructions=MARK,
        additional_instructions=MARK,
        options={"metadata": {"secret": MARK}},
    ),
    run_task("f2", assistant="secretive", thread_key=MARK, instructions=MARK),
    say_task("f3", assistant="secretive", message=MARK, **{MARK: MARK}),
    say_task("f4", assistant="nobody", message=MARK),
    say_task("f5", assistant="secretive", message={MARK: MARK}),
    say_task("f6", assistant="secretive", message=MARK, thread_id=MARK),
    say_task("f7", assistant="secretive", message=MARK, instructions={"template": WRONG}),
    say_task("f16", assistant="secretive", message=wish("say"), instructions=WRONG),
    say_task("f17", assistant="secretive", message=MARK, instructions={MARK: MARK}),
    say_task("f8", assistant="strict", message=MARK, context={MARK: MARK}),
    say_task("f9", assistant="secretive", message=MARK, options={MARK: MARK}),
    say_task("f10", assistant="secretive", message=MARK, options={"temperature": MARK}),
    say_task("f11", assistant="secretive", message=MARK, context=MARK, when_busy=MARK),
    {"task": "threadmill.say", "id": "f12", "args": [MARK], "kwargs": {"message": MARK}},
    {"task": "threadmill.sya", "id": "f13", "args": [MARK], "kwargs": {"message": MARK}},
    {"task": "threadmill.execute", "id": "f14", "args": [MARK], "kwargs": {MARK: MARK}},
    {"task": "threadmill.execute", "id": "f15", "args": [f"run_{MARK}"]},
    say_task("last", assistant="secretive", message=wish("say"), thread_key="last"),
]
"""What a service without threadmill sends, some of it right; the last one is answered last."""


@dataclass(frozen=True)
class Seen:
    """Everything that was to be seen while the marked text went through."""

    broker: Broker
    foreign: set[str]
    """Ids of the foreign service's tasks."""
    pages: dict[str, str]
    """Flower's answers."""
    logs: dict[str, str]
    store: str

    def ours(self) -> list[Envelope]:
        """The messages and events that the foreign service has not sent itself."""
        return [
            one
            for one in self.broker.envelopes
            if one.id not in self.foreign and "celeryev/task.sent" not in one.command
        ]


@pytest.fixture(scope="module", params=[("responses", "console"), ("chat", "json")])
def seen(
    request: pytest.FixtureRequest,
    redis_server: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Seen]:
    api, format = request.param
    folder = tmp_path_factory.mktemp("seen")
    # This user has no password, so that the server takes any.
    url = redis_server.fresh_database().replace("://", f"://default:{PASSWORD}@")
    brain = by_text({f"<{name}>": _endless(answers) for name, answers in ANSWERS.items()})
    with (
        StandIn(brain) as standin,
        isolated_environment(url, standin, api, OPENAI_API_KEY=KEY),
        listening(url) as broker,
        running_flower(folder) as flower,
        _worker(folder, format) as worker,
    ):
        wait_until(flower.workers, "the worker in Flower", 30)
        producer, embedded = _confide_twice(folder)
        ids = {message["id"]: str(uuid.uuid4()) for message in FOREIGN}
        send_tasks(*({**message, "id": ids[message["id"]]} for message in FOREIGN))
        last = Thread(key="last")
        wait_until(lambda: [run for run in last.runs() if run.status == "completed"], "the last")
        foreign = Thread(key="foreign").runs()
        wait_until(lambda: foreign[0].refresh().status == "completed", "the foreign tools")
        wait_until(lambda: ids["last"] in str(flower.tasks()), "the last task in Flower")
        pages = _pages(flower, worker.name)
        worker.terminate()
        assert worker.ends()
        logs = {
            "worker": worker.log(),
            "producer": producer,
            "embedded": embedded,
            "flower": (folder / "flower.log").read_text(),
        }
        yield Seen(broker, set(ids.values()), pages, logs, _store(url))


def _endless(answers: list[Any]) -> list[Any]:
    return answers * 20


def _confide_twice(folder: Path) -> list[str]:
    """What the script logs that confides all to the worker, and to one of its own."""
    with ThreadPoolExecutor(2) as executor:
        both = [dict(os.environ), embedded_environment()]
        return list(executor.map(lambda environment: _confide(folder, environment), both))


def _confide(folder: Path, environment: dict[str, str]) -> str:
    script = str(SCRIPTS / "confide.py")
    ended = run_command(*STRICT, script, folder=folder, environment=environment)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
    return ended.stderr


@contextlib.contextmanager
def _worker(folder: Path, format: str) -> Iterator[Worker]:
    settings = {"THREADMILL_LOG_FORMAT": format}
    worker = Worker(folder / "worker.log", ("--log-level", "DEBUG", SECRETIVE), folder, settings)
    try:
        worker.wait_ready()
        yield worker
    finally:
        worker.kill()
        print(worker.log())


def _pages(flower: Flower, worker: str) -> dict[str, str]:
    paths = ["/api/tasks", "/tasks", "/api/workers?refresh=1", f"/api/tasks?search={MARK[:5]}"]
    paths += [f"/worker/{name}" for name in flower.workers()]
    for task in flower.tasks():
        paths += [f"/api/task/info/{task}", f"/task/{task}"]
    assert worker in str(flower.workers())
    answers = {path: flower.ask(path) for path in paths}
    assert {status for status, _ in answers.values()} == {200}
    return {path: text for path, (_, text) in answers.items()}


def _store(url: str) -> str:
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        return str([client.dump(key) for key in client.scan_iter(match="threadmill:*")])


# ---- was it everywhere? ----------------------------------------------------------------------


def test_the_text_went_every_way(seen: Seen) -> None:
    assert MARK in seen.store
    sent = [one for one in seen.broker.envelopes if one.id in seen.foreign]
    assert len([one for one in sent if MARK in one.text]) >= len(FOREIGN) - 1, "it can be found"
    assert seen.broker.sent("threadmill.execute"), "our own messages are seen"
    events = "".join(one.text for one in seen.broker.envelopes)
    for kind in ("task-received", "task-started", "task-succeeded", "task-failed"):
        assert kind in events, kind
    for log in ("producer", "embedded"):
        assert "RunFailed" in seen.logs[log]
        assert "ModelRefused" in seen.logs[log]
    for tool in ("fail", "fail_in_a_group", "leave", "dawdle", "take_note"):
        for log in ("worker", "embedded"):
            assert f"tool {tool} failed in call" in seen.logs[log], tool
    assert "DEBUG" in seen.logs["worker"]
    assert seen.logs["worker"].count("was refused") > 9
    assert "threadmill.say" in seen.pages["/api/tasks"]


# ---- is it anywhere? -------------------------------------------------------------------------


def test_our_messages_and_events_do_not_carry_it(seen: Seen) -> None:
    assert [one.text for one in seen.ours() if MARK in one.text] == []


def test_flower_does_not_show_it(seen: Seen) -> None:
    assert [path for path, text in seen.pages.items() if MARK in text] == []
    assert "run_" in seen.pages["/api/tasks"], "ids are shown"


@pytest.mark.parametrize("log", ["worker", "producer", "embedded", "flower"])
def test_no_log_and_no_traceback_tells_it(log: str, seen: Seen) -> None:
    if seen.logs[log].startswith("{"):  # it is JSON, whatever went wrong
        assert all(isinstance(json.loads(line), dict) for line in seen.logs[log].splitlines())
    for secret in (MARK, PASSWORD, KEY):
        assert [line for line in seen.logs[log].splitlines() if secret in line] == []
