"""`threadmill runs` and `threads`: over all threads, with conditions, and as it happens."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.support.processes.commands import COMMAND, run_threadmill
from tests.support.processes.worker import Workers

from threadmill import Assistant, Thread
from threadmill.testing import Fault, StandIn

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)


def objects(*words: str) -> list[dict[str, Any]]:
    done = run_threadmill(*words, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def found(*words: str) -> list[str]:
    return [one["id"] for one in objects("runs", *words)]


@contextmanager
def following(*words: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*COMMAND, "runs", "--follow", *words], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def on_terminal(*words: str) -> list[str]:
    """What a command prints on a terminal of 80 columns, without its colors."""
    return re.sub(r"\x1b\[[0-9;]*m", "", in_color_on_terminal(*words)).splitlines()


def in_color_on_terminal(*words: str, **settings: str) -> str:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    with subprocess.Popen([*COMMAND, *words], stdout=theirs, env=os.environ | settings) as process:
        os.close(theirs)
        printed = b""
        with contextlib.suppress(OSError):  # the terminal's end
            while read := os.read(ours, 4096):
                printed += read
        os.close(ours)
    assert process.returncode == 0
    return printed.decode()


def test_runs_of_all_threads_are_listed_by_what_they_are_like(
    workers: Workers, standin: StandIn
) -> None:
    workers.start("bot")
    begun = time.time()
    done = Assistant(name="plain").enqueue("Hello").wait(20)
    standin.brain = lambda _: Fault.status(401)
    failed = Assistant(name="other").enqueue("Hello").wait(20)
    queued = Assistant(name="plain", queue="far").enqueue("Hello", thread=Thread(key="far"))

    assert found() == [done.id, failed.id, queued.id]
    assert found("--limit", "2") == [failed.id, queued.id]
    assert found("--status", "failed") == [failed.id]
    assert found("--error", "ModelRefused") == [failed.id]
    assert found("--assistant", "plain") == [done.id, queued.id]
    assert found("--assistant", "plain", "--status", "completed") == [done.id]
    assert found(done.thread_id) == found("--thread", done.thread_id) == [done.id]
    assert found("--key", "far") == [queued.id]
    assert found("--since", "1h") == [done.id, failed.id, queued.id]
    assert found("--since", "2999-01-01") == []
    assert found("--since", str(begun - 5)) == [done.id, failed.id, queued.id]
    assert found("--until", "1h") == []

    [shown] = objects("runs", "--status", "completed")
    assert shown["thread_id"] == done.thread_id
    assert begun - 5 < shown["created_at"] <= shown["started_at"] <= shown["ended_at"]
    assert shown["duration_seconds"] == pytest.approx(
        shown["ended_at"] - shown["started_at"], abs=0.001
    )
    assert (shown["completion_tokens"] > 0, shown["error"]) == (True, None)
    [shown] = objects("runs", "--status", "failed")
    assert shown["error"] == "ModelRefused"
    text = run_threadmill("runs").stdout
    assert re.search(rf"^{failed.id}  failed .*ModelRefused: .*401", text, re.MULTILINE)

    none = run_threadmill("runs", "--status", "expired", "--json")
    assert (none.returncode, none.stdout) == (0, "")
    assert "There are no such runs." in none.stderr
    gone = run_threadmill("runs", "thread_00" + 30 * "0")
    assert (gone.returncode, gone.stdout) == (1, "")
    queued.cancel()


def test_a_list_that_may_lack_runs_says_so(environment: None) -> None:
    """Nobody has indexed the store, since there was no worker."""
    run = Assistant(name="plain").enqueue("Hello")
    done = run_threadmill("runs")
    assert run.id in done.stdout
    why = "no worker is alive, which would keep the indexes (docs/lists.md).\n"
    assert done.stderr == f"There may be more runs: {why}"
    assert run_threadmill("runs", run.thread_id).stderr == ""
    assert "There may be more threads: " in run_threadmill("threads").stderr
    run.cancel()


def test_a_follower_ends_when_nobody_reads_it_any_more(environment: None) -> None:
    run = Assistant(name="plain").enqueue("Hello")
    with following("--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["id"] == run.id
        process.stdout.close()
        assert process.wait(20) == 1
    run.cancel()


def test_no_color_is_printed_if_none_is_wanted(environment: None) -> None:
    run = Assistant(name="plain").enqueue("Hello")
    assert "\x1b[" in in_color_on_terminal("runs")
    assert "\x1b[" not in in_color_on_terminal("runs", NO_COLOR="1")
    run.cancel()


def test_a_follower_prints_each_change_until_it_is_interrupted(
    workers: Workers, standin: StandIn
) -> None:
    before = Assistant(name="plain").enqueue("Hello")
    with following("--json") as all_runs, following("--status", "failed", "--json") as failed_ones:
        assert all_runs.stdout is not None
        assert failed_ones.stdout is not None
        assert json.loads(all_runs.stdout.readline())["id"] == before.id
        time.sleep(1)  # a follower of nothing has begun to look, with which it says nothing
        workers.start("bot")
        told = [json.loads(all_runs.stdout.readline())]
        while told[-1]["status"] != "completed":
            told.append(json.loads(all_runs.stdout.readline()))
        assert {one["id"] for one in told} == {before.id}
        standin.brain = lambda _: Fault.status(401)
        failed = Assistant(name="plain").enqueue("Hello").wait(20)
        last = json.loads(failed_ones.stdout.readline())
        assert (last["id"], last["status"], last["error"]) == (failed.id, "failed", "ModelRefused")
        for process in (all_runs, failed_ones):
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130


def test_threads_are_listed_by_their_activity(workers: Workers) -> None:
    workers.start("bot", THREADMILL_INDEX="team")
    first, second = Thread(key="first", metadata={"team": "blue"}), Thread(metadata={"team": "red"})
    for thread in (first, second):
        Assistant(name="plain").enqueue("Hello", thread=thread).wait(20)
    held = Assistant(name="plain", queue="far").enqueue("Hello", thread=first)
    rows = {one["id"]: one for one in objects("threads")}
    assert list(rows) == [second.id, first.id]
    assert (rows[first.id]["run_id"], rows[second.id]["run_id"]) == (held.id, None)
    assert (rows[first.id]["items"], rows[first.id]["metadata"]) == (3, {"team": "blue"})
    assert rows[second.id]["active_at"] >= rows[second.id]["created_at"]
    assert "team=blue" in run_threadmill("threads").stdout
    refused = run_threadmill("threads", "--metadata", "team=red")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "THREADMILL_INDEX" in refused.stderr
    wrong = run_threadmill("threads", "--metadata", "team")
    assert wrong.returncode == 2
    assert objects("threads", "--since", "2999-01-01") == []
    held.cancel()


def test_eighty_columns_are_enough(workers: Workers, standin: StandIn) -> None:
    workers.start("careful")
    standin.brain = lambda _: Fault.status(401, message="Wrong. " * 30)
    run = Assistant(name="plain").enqueue("Hello").wait(20)
    for words in (["runs"], ["threads"], ["status"], ["workers"], ["assistants"], ["tools"]):
        lines = on_terminal(*words)
        assert max(map(len, lines)) <= 80, words
    [_, row] = on_terminal("runs")
    assert row.startswith(run.id)
    assert "failed" in row
    assert "ModelRefused" in row
