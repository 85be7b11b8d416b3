"""What a shell offers for ids and names: what is in the store; nothing if Redis is away."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.environment import isolated_environment
from tests.support.processes.commands import COMMAND, run_command
from tests.support.processes.worker import Workers
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.cli.completion import PATIENCE_SECONDS
from threadmill.testing import Call, Reply, StandIn, by_text


def offered(*words: str, **settings: str) -> list[str]:
    """What bash is offered for the last word, without an error or a complaint."""
    completing = {
        "_THREADMILL_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("threadmill", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = run_command(*COMMAND, environment=os.environ | completing | settings)
    assert done.stderr == ""
    return [line.removeprefix("plain,") for line in done.stdout.splitlines() if line]


@pytest.fixture(scope="module")
def store(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A fleet with a store of its own."""
    brain = by_text({"pay": [Reply([Call("refund", {"order": 7}), Call("refund", {"order": 8})])]})
    with (
        StandIn(brain) as standin,
        isolated_environment(redis_server.fresh_database(), standin, "responses"),
        Workers(tmp_path_factory.mktemp("completion")) as workers,
    ):
        workers.start("careful")
        yield


@pytest.fixture(scope="module")
def done(store: None) -> Run:
    return Assistant(name="plain").enqueue("Hello", thread=Thread(key="user-42")).wait(20)


@pytest.fixture(scope="module")
def parked(store: None) -> Run:
    run = Assistant.load("careful").enqueue("pay")
    wait_until(lambda: run.refresh().status == "requires_action", "it waits", 20)
    return run


@pytest.mark.parametrize("command", ["show", "tail"])
def test_recent_runs_are_offered_by_their_beginning(done: Run, parked: Run, command: str) -> None:
    assert set(offered(command, "run_")) == {done.id, parked.id}
    assert offered(command, done.id[:-2]) == [done.id]
    assert offered(command, "x") == []


def test_what_can_still_be_cancelled_or_approved_is_offered(done: Run, parked: Run) -> None:
    assert offered("cancel", "") == [parked.id]
    assert offered("approve", "") == [parked.id]
    assert parked.required_action is not None
    calls = [call.id for call in parked.required_action.tool_calls]
    assert len(calls) == 2
    assert offered("reject", parked.id, "") == calls
    assert offered("reject", done.id, "") == []


def test_assistants_threads_and_keys_are_offered(done: Run) -> None:
    created = Assistant(name="made")
    created.create()
    for words in (("say",), ("chat",), ("runs", "--assistant")):
        assert "careful" in offered(*words, "")
    assert created.id in offered("say", "asst_")
    for words in (("runs",), ("runs", "--thread"), ("say", "careful", "Hi", "--thread")):
        assert done.thread_id in offered(*words, "thread_")
    for words in (("runs", "--key"), ("export", "--key"), ("chat", "careful", "--key")):
        assert offered(*words, "u") == ["user-42"]


def test_without_redis_nothing_is_offered_and_nothing_said(tmp_path: Path) -> None:
    assert offered("show", "", THREADMILL_REDIS_URL="redis://127.0.0.1:1/0") == []
    assert offered("show", "", THREADMILL_REDIS_URL="not a URL") == []


def test_a_redis_that_does_not_answer_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        begun = time.monotonic()
        assert offered("show", "", THREADMILL_REDIS_URL=url) == []
    assert time.monotonic() - begun < PATIENCE_SECONDS + 5


def test_the_embedded_server_is_not_started_by_pressing_tab(tmp_path: Path) -> None:
    (tmp_path / ".threadmill").mkdir()
    completing = {
        "_THREADMILL_COMPLETE": "bash_complete",
        "COMP_WORDS": "threadmill show ",
        "COMP_CWORD": "2",
    }
    plain = {k: v for k, v in os.environ.items() if not k.startswith("THREADMILL_")}
    done = run_command(*COMMAND, folder=tmp_path, environment=plain | completing)
    assert (done.stdout.strip(), done.stderr) == ("", "")
    assert list((tmp_path / ".threadmill").iterdir()) == []
