"""The commands that look at a fleet: what they print for people, and for programs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support.processes.commands import COMMAND, run_threadmill
from tests.support.processes.worker import Workers
from tests.support.servers.redis_server import RedisServer
from tests.support.store.registered_workers import register, register_without_lease
from tests.support.waiting import wait_until

from threadmill import Assistant, Thread
from threadmill.testing import Fault, StandIn
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

GHOST = WorkerInfo("ghost:9:gggg", "ghost:9", 1_700_000_000, "threadmill.gggg", ("threadmill",))
"""A worker of the last release: it has no state."""
OTHER_TOOLBOX = '''
from threadmill import Assistant

def find_order(number: str) -> str:
    """Find an order."""
    return number

ai = Assistant("shop", tools=[find_order])
'''


def printed(*words: str) -> str:
    """What a command prints that succeeds, and has nothing to complain about."""
    done = run_threadmill(*words)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def objects(*words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed(*words, "--json").splitlines()]


def status() -> dict[str, Any]:
    [found] = objects("status")
    return found


def nothing(*words: str) -> str:
    """What a command says that has found nothing."""
    done = run_threadmill(*words)
    assert (done.returncode, done.stdout) == (0, "")
    assert run_threadmill(*words, "--json").stdout == ""
    return done.stderr


def table(*words: str) -> list[dict[str, str]]:
    """The rows of a table by title, as they are printed into a pipe."""
    titles, *rows = (re.split(r" {2,}", line.strip()) for line in printed(*words).splitlines())
    return [dict(zip(titles, row, strict=True)) for row in rows]


def put(url: str, info: WorkerInfo, *, lives: bool = True) -> None:
    async def do() -> None:
        store = Store(connect(url), "threadmill")
        await (register if lives else register_without_lease)(store, info)
        await store.close()

    asyncio.run(do())


# ---- nothing -------------------------------------------------------------------------------------


def test_a_store_with_nothing_in_it_is_shown_as_such(environment: None) -> None:
    assert "threadmill worker MODULE" in nothing("workers")
    assert nothing("tools") == "No worker has a tool.\n"
    assert nothing("assistants") == "There are no assistants.\n"
    assert nothing("approvals") == "No call waits for an approval.\n"
    done = run_threadmill("status")
    assert done.returncode == 0
    assert "0 alive, 0 silent" in done.stdout
    assert "threadmill worker MODULE" in done.stderr
    found = status()
    assert found["runs"] == {"in_progress": 0, "queued": 0, "in_line": None, "parked": 0}
    assert found["lists_are_incomplete"]  # nobody has looked
    assert re.search(r"^lists +may lack entries", done.stdout, re.MULTILINE)
    assert (found["workers"], found["providers"]) == ([], [])


@pytest.mark.parametrize(
    "words", [["status"], ["workers"], ["tools"], ["assistants"], ["approvals"], ["health"]]
)
def test_without_redis_each_says_so_in_one_line(words: list[str], environment: None) -> None:
    done = run_threadmill(*words, THREADMILL_REDIS_URL="redis://127.0.0.1:1/0")
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: Redis cannot be reached")
    assert "safe to repeat" not in line  # nothing can have been changed


@pytest.mark.parametrize("words", [["status"], ["runs"]])
def test_a_user_without_rights_is_told_so_in_one_line(
    words: list[str], environment: None, redis_server: RedisServer, redis_url: str
) -> None:
    with redis_server.connected() as client:
        client.execute_command("ACL", "SETUSER", "stranger", "on", ">pw", "~other:*", "+@all")
    done = run_threadmill(*words, THREADMILL_REDIS_URL=redis_url.replace("://", "://stranger:pw@"))
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: Redis cannot be used: the user has no right for a command. Give")


# ---- workers, tools, assistants, health ----------------------------------------------------------


def test_workers_tools_and_assistants_show_who_has_which_version(
    workers: Workers, redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(OTHER_TOOLBOX)
    [first] = workers.start("shop", folder=tmp_path)
    (tmp_path / "shop.py").write_text(OTHER_TOOLBOX.replace("number: str", "number: int"))
    [second] = workers.start("shop", folder=tmp_path)

    rows = {row["worker"]: row for row in table("workers")}
    assert rows.keys() == {first.name, second.name}
    assert (rows[first.name]["state"], rows[first.name]["runs"]) == ("alive", "0/100")
    assert (rows[first.name]["modules"], rows[first.name]["threads"]) == ("shop", "0/64")

    tools = objects("tools")
    assert [one["identity"] for one in tools] == ["shop:find_order"] * 2
    assert sorted(one["workers"] for one in tools) == sorted([[first.name], [second.name]])
    assert all(one["differs"] for one in tools)
    assert [row["differs"] for row in table("tools")] == ["differs", "differs"]

    [shop] = objects("assistants")
    assert (shop["name"], shop["version"], shop["is_stale"]) == ("shop", 2, False)
    assert sorted(shop["workers"]) == sorted([first.name, second.name])
    assert shop["differing"] == [first.name]
    assert [row["state"] for row in table("assistants")] == ["differs"]

    assert printed("health").startswith("healthy: ")
    [healthy] = objects("health")
    assert healthy == {"healthy": True, "workers": [first.name, second.name]}


def test_an_assistant_is_stale_when_its_last_worker_is_gone(
    workers: Workers, redis_url: str
) -> None:
    [worker] = workers.start("bot")
    created = Assistant(name="made")
    created.create()
    wait_until(lambda: not Assistant.list().incomplete, "the store is indexed", 20)
    by_name = {one["name"]: one for one in objects("assistants")}
    assert (by_name["plain"]["is_stale"], by_name["made"]["id"]) == (False, created.id)
    worker.terminate()
    assert worker.ends()
    states = {row["assistant"]: row["state"] for row in table("assistants")}
    assert states == {"plain": "stale", "made": "created"}
    by_name = {one["name"]: one for one in objects("assistants")}
    assert (by_name["plain"]["workers"], by_name["made"]["id"]) == ([], created.id)
    # A worker of an older release may publish it and does not say so.
    put(redis_url, GHOST)
    assert {one["name"]: one["is_stale"] for one in objects("assistants")}["plain"] is None
    unhealthy = run_threadmill("health")
    assert (unhealthy.returncode, unhealthy.stdout) == (1, "")
    assert unhealthy.stderr == "Error: No worker of this host has a lease.\n"


def test_a_worker_that_was_killed_is_shown_for_a_while(workers: Workers) -> None:
    dying, _ = workers.start("bot", 2)
    assert "died lately" not in printed("workers") + printed("status")
    dying.kill()
    [death] = wait_until(lambda: status()["deaths"], "its death is noted")
    assert (death["worker"].rpartition(":")[0], death["cause"]) == (dying.name, "connection")
    assert death["runs"] == 0
    for words in (["workers"], ["status"]):
        shown = printed(*words)
        assert re.search(r"^died lately +at +runs +why$", shown, re.MULTILINE)
        [row] = [line for line in shown.splitlines() if line.startswith(dying.name)]
        why = "it was killed, has crashed, or has ended by itself"
        assert row.endswith(f"its connection to Redis was closed: {why}")
    assert len(objects("workers")) == 1


def test_a_worker_of_an_older_release_and_a_silent_one_are_listed_as_such(
    environment: None, redis_url: str
) -> None:
    put(redis_url, GHOST)
    silent = WorkerInfo(
        "ghost:8:hhhh", "ghost:8", 1_700_000_001, "threadmill.hhhh", ("threadmill",)
    )
    put(redis_url, silent, lives=False)
    rows = table("workers")
    assert [(row["worker"], row["state"], row["runs"], row["release"]) for row in rows] == [
        ("ghost:9", "alive", "0/-", "-"),
        ("ghost:8", "silent", "0/-", "-"),
    ]
    assert "1 alive, 1 silent" in printed("status")


# ---- status --------------------------------------------------------------------------------------


def test_status_shows_what_runs_and_what_waits(
    workers: Workers, redis_url: str, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    notes.touch()
    [worker] = workers.start("dangerous", THREADMILL_CONCURRENCY="1")
    dawdle = 'call dawdle {"seconds": 3600}'
    first, *waiting = [
        Assistant.load("dangerous").enqueue(dawdle, context={"notes": str(notes)}) for _ in range(3)
    ]
    nowhere = Assistant(name="far", queue="far").enqueue("Hello")
    behind = Assistant(name="far", queue="far").enqueue("Hello", thread=Thread(nowhere.thread_id))

    def is_shown() -> dict[str, Any] | None:
        found = status()
        is_so = found["runs"]["in_progress"] == 1 and not found["lists_are_incomplete"]
        return found if is_so else None

    found = wait_until(is_shown, "one run is executed, and lists are complete", 30)
    assert found is not None
    assert found["runs"] == {"in_progress": 1, "queued": 3, "in_line": 1, "parked": 0}
    queues = {one["name"]: one for one in found["queues"]}
    assert (queues["threadmill"]["runs"], queues["threadmill"]["workers"]) == (2, 1)
    assert queues["threadmill"]["messages"] >= 2
    assert queues["threadmill"]["oldest_seconds"] > 0
    assert (queues["threadmill.far"]["runs"], queues["threadmill.far"]["workers"]) == (1, 0)
    assert queues["threadmill.far"]["messages"] == 1
    assert found["queues_are_exact"]
    assert found["slots"] == {"total": 1, "used": 1, "is_complete": True}
    [one] = found["workers"]
    assert (one["worker"], one["running"], one["slots"]) == (worker.name, 1, 1)

    shown = printed("status")
    assert "1 of 1 used" in shown
    assert "1 in progress, 3 queued, 1 in line, 0 parked" in shown
    for one_run in (behind, *waiting, nowhere, first):
        one_run.cancel()


# ---- approvals -----------------------------------------------------------------------------------


def test_approvals_lists_the_calls_that_wait_without_their_arguments(workers: Workers) -> None:
    workers.start("careful")
    texts = ['call refund {"order": 7001}', 'call ship {"seconds": 7002}']
    runs = [Assistant.load("careful").enqueue(text) for text in texts]
    wait_until(lambda: all(run.refresh().required_action for run in runs), "both are parked")
    found = {one["tool"]: one for one in objects("approvals")}
    assert found.keys() == {"refund", "ship"}
    assert [found[name]["run_id"] for name in ("refund", "ship")] == [run.id for run in runs]
    refund = found["refund"]
    assert refund["expires_at"] - refund["since"] == pytest.approx(86_400, abs=1)
    assert (refund["assistant"], refund["arguments"]) == ("careful", None)
    assert "700" not in re.sub(r"\w+_[0-9a-f]{32}\w*", "", printed("approvals"))
    [row] = [row for row in table("approvals", "--arguments") if row["tool"] == "refund"]
    assert row["arguments"] == '{"order": 7001}'
    assert status()["approvals"]["waiting"] == 2
    assert "approvals  2 waiting, the oldest for " in printed("status")
    for run in runs:
        run.cancel()
    assert nothing("approvals") == "No call waits for an approval.\n"


def test_flower_is_started_with_its_options(environment: None) -> None:
    done = run_threadmill("flower", "--port=5", FLOWER_BASIC_AUTH="")
    assert done.returncode == 1
    assert "FLOWER_BASIC_AUTH" in done.stderr
    wrong = run_threadmill("flower", "--no-such-option=5")
    assert wrong.returncode != 0
    assert "no-such-option" in wrong.stderr


def test_status_names_a_provider_that_fails_and_why(
    workers: Workers, standin: StandIn, redis_url: str
) -> None:
    workers.start("bot", 2)
    standin.brain = lambda _: Fault.status(401)
    Assistant(name="plain").enqueue("Hello").wait(20)

    def failing() -> dict[str, Any] | None:
        [found] = status()["providers"]
        return found if found["state"] == "failing" else None

    found = wait_until(failing, "its worker has said so", 20)
    assert found is not None
    assert (found["workers"], found["failing_workers"]) == (2, 1)
    assert found["host"] == standin.base_url.split("/")[2]
    assert "401" in found["cause"]
    assert re.search(r"failing .* 1 of 2 .*401", printed("status"))


def test_a_broker_that_is_away_hides_only_the_messages(workers: Workers, redis_url: str) -> None:
    workers.start("bot")
    away = {"THREADMILL_BROKER_URL": "redis://127.0.0.1:1/0"}
    done = run_threadmill("status", **away)
    assert done.returncode == 0, done.stderr
    assert "1 alive, 0 silent" in done.stdout
    assert (
        "messages in the queues: unknown, the broker cannot be used: nothing listens" in done.stdout
    )
    found = json.loads(run_threadmill("status", "--json", **away).stdout)
    assert found["broker_error"]
    assert {one["messages"] for one in found["queues"]} == {None}


# ---- what acts, as JSON --------------------------------------------------------------------------


def test_commands_that_act_say_as_json_what_they_have_done(workers: Workers) -> None:
    workers.start("careful")
    [said] = objects("say", "careful", "Hello")
    assert (said["status"], said["error"]) == ("completed", None)
    assert "Hello" in said["text"]
    run = Assistant.load("careful").enqueue('call refund {"order": 1} call refund {"order": 2}')
    wait_until(lambda: run.refresh().required_action, "it is parked")
    calls = run.required_action.tool_calls if run.required_action else []
    [approved] = objects("approve", run.id, calls[0].id)
    assert approved == {
        "run_id": run.id,
        "call_id": calls[0].id,
        "tool": "refund",
        "decision": "approved",
    }
    [rejected] = objects("reject", run.id)
    assert (rejected["call_id"], rejected["decision"]) == (calls[1].id, "rejected")
    run.wait(20)
    assert objects("cancel", run.id) == [{"id": run.id, "status": "completed"}]


def test_a_command_that_redis_does_not_answer_can_be_interrupted(
    environment: None, redis_url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with subprocess.Popen(
            [*COMMAND, "status"],
            env=os.environ | {"THREADMILL_REDIS_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            silent.settimeout(20)
            with silent.accept()[0] as connection:
                # It has begun to ask. While it still connects, asyncio of Python 3.11 may say that
                # it was interrupted between two lines of its own.
                assert connection.recv(1)
                process.send_signal(signal.SIGINT)
                printed, errors = process.communicate(timeout=20)
    assert (process.returncode, printed, errors.strip()) == (130, "", "")
