"""A store on a Redis Cluster; Celery, which cannot use one, has a broker of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.environment import isolated_environment
from tests.support.processes.commands import run_threadmill
from tests.support.processes.script import Script
from tests.support.processes.worker import Workers
from tests.support.provider_requests import is_speaking, tool_outputs
from tests.support.servers.pool import Servers

from threadmill import Assistant, Event, Job, Thread, errors
from threadmill.client.current import close_client
from threadmill.testing import Pause, Reply, StandIn, Text
from threadmill.transfer import export_file, import_file

pytestmark = pytest.mark.any_api

PRINT_EVENTS = """
    import dataclasses, json, sys
    from threadmill import Run

    for event in Run.load(sys.argv[1]).events():
        print(json.dumps(dataclasses.asdict(event)), flush=True)
"""


@pytest.fixture
def environment(servers: Servers, redis_url: str, standin: StandIn, api: str) -> Iterator[None]:
    """Keys on three nodes, messages on a server that stands alone."""
    cluster = servers.get("cluster").fresh_database()
    with isolated_environment(cluster, standin, api, THREADMILL_BROKER_URL=redis_url):
        yield


def test_a_say_with_a_tool_call_goes_through_and_another_process_tails_it(
    workers: Workers, standin: StandIn
) -> None:
    workers.start("toolbox")
    toolbox, thread = Assistant.load("toolbox"), Thread()
    first = toolbox.enqueue('call show_int {"value": 1}', thread)
    elsewhere = Script.of_source(PRINT_EVENTS, first.id)
    second = toolbox.say("And now?", thread=thread, event_handler_class=None, timeout=30)

    assert first.refresh().status == second.status == "completed"
    assert tool_outputs(standin.requests[1]) == ["int 1"]
    assert [m.role for m in thread.get_messages()] == ["user", "assistant"] * 2
    seen = [Event(**json.loads(line)) for line in elsewhere.finish().splitlines()]
    assert seen == list(first.events())
    assert seen[-1].event == "done"


def test_threads_and_assistants_of_all_nodes_are_exported_and_imported(
    environment: None, tmp_path: Path
) -> None:
    Assistant(name="plain").create()
    for number in range(12):
        Thread(key=f"thread {number}").add(str(number))
    exported = export_file(tmp_path / "all.jsonl")
    assert (exported.assistants, exported.threads, exported.messages) == (1, 12, 12)
    for number in range(12):
        Thread(key=f"thread {number}").delete()
    assert import_file(tmp_path / "all.jsonl").new_messages == 12
    assert [message.text for message in Thread(key="thread 7").get_messages()] == ["7"]


def test_threads_on_all_nodes_are_served(workers: Workers) -> None:
    workers.start("bot")
    plain = Assistant(name="plain")
    threads = [Thread(key=f"thread {number}") for number in range(12)]
    runs = [plain.enqueue("Hello!", thread) for thread in threads]
    runs += plain.enqueue_many([Job(message="Hello!", thread=thread) for thread in threads])
    assert {run.wait(30).status for run in runs} == {"completed"}
    assert [[run.id for run in thread.runs()] for thread in threads] == [
        [one.id, other.id] for one, other in zip(runs[:12], runs[12:], strict=True)
    ]


def test_a_cancel_reaches_the_worker(workers: Workers, standin: StandIn) -> None:
    workers.start("bot")
    run = Assistant(name="plain").enqueue("tokens=100 delay=60")
    standin.wait_until(lambda requests: bool(requests and requests[0].token_times), timeout=20)
    assert run.cancel().wait(20).status == "cancelled"
    # A worker that did not hear of it would find out when the next token comes.
    standin.wait_until(lambda requests: requests[0].closed_early)


def test_a_run_of_a_killed_worker_goes_on_elsewhere(workers: Workers, standin: StandIn) -> None:
    pause = Pause(after_tokens=100)
    tale = Reply([Text([f"{number} " for number in range(1, 201)])], pause=pause)
    standin.brain = lambda _: tale
    [killed] = workers.start("bot")
    run = Assistant(name="plain").enqueue("Tell me a tale.")
    standin.wait_until(is_speaking, timeout=20)
    workers.start("bot")
    killed.kill()
    pause.end()

    # No list has the connections of all nodes, so it is the lease that tells.
    assert run.wait(60).status == "completed"
    assert run.attempt == 2
    assert run.text.split()[-1] == "200"


def test_without_a_broker_nothing_starts(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("THREADMILL_BROKER_URL")
    close_client()
    with pytest.raises(errors.NotConfigured, match="Set THREADMILL_BROKER_URL to a standalone"):
        Assistant(name="plain").enqueue("Hello!")

    worker = run_threadmill("worker")
    assert worker.returncode == 1
    assert "Set THREADMILL_BROKER_URL to a standalone Redis" in worker.stderr.splitlines()[-1]
    assert "Traceback" not in worker.stderr
