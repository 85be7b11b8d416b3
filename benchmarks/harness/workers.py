"""Workers, ours and plain Celery's, as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from harness.ended import ended
from harness.store import connected
from harness.waiting import GIVE_UP_SECONDS, wait_until

from threadmill import Assistant

WARM_UP_RUNS = 32
"""So many at once, so that each process of a pool has some."""


@contextmanager
def worker(concurrency: int = 200, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A worker of ours that has executed runs."""
    with ExitStack() as stack:
        started = _start_threadmill(concurrency, settings)
        stack.enter_context(ended(started))
        _warm_up()
        yield started


@contextmanager
def several_workers(count: int, concurrency: int) -> Iterator[list[subprocess.Popen[str]]]:
    """So many workers of ours, all of which take runs."""
    with ExitStack() as stack:
        started = [_start_threadmill(concurrency, {}) for _ in range(count)]
        for one in started:
            stack.enter_context(ended(one))
        server = connected()
        wait_until(lambda: server.hlen("threadmill:{workers}:alive") == count, "the workers")
        _warm_up(count * WARM_UP_RUNS)
        yield started


@contextmanager
def plain_worker(pool: str, concurrency: int) -> Iterator[subprocess.Popen[str]]:
    """A worker of the task that a team would write itself, which has executed it."""
    from processes.plain_task import answer  # noqa: PLC0415  it reads the environment

    command = [sys.executable, "-m", "celery", "-A", "processes.plain_task", "worker"]
    command += ["-Q", "plain", "--pool", pool, "-c", str(concurrency), "-l", "WARNING"]
    command += ["--without-gossip", "--without-mingle"]
    with ended(_started(command)) as process:
        for number in range(WARM_UP_RUNS):
            answer.delay(f"warm-up-{number}", "tokens=2 delay=0.5")
        wait_until(lambda: plain_runs_finished() == WARM_UP_RUNS, "the plain task")
        yield process


def plain_runs_finished() -> int:
    """How many plain tasks have ended."""
    return int(connected().get("plain:finished") or 0)


def _warm_up(runs: int = WARM_UP_RUNS) -> None:
    """Have runs executed: what the first ones cost, others do not."""
    ai = Assistant(name="bench")
    ai.say("tokens=1 delay=0", event_handler_class=None)
    begun = [ai.enqueue("tokens=2 delay=0.5") for _ in range(runs)]
    for run in begun:
        run.wait(GIVE_UP_SECONDS)


def _start_threadmill(concurrency: int, settings: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "threadmill", "worker", "processes.bot"]
    command += ["--log-level", "WARNING"]
    given = {"THREADMILL_CONCURRENCY": str(concurrency), "THREADMILL_DRAIN_SECONDS": "0"}
    return _started(command, given | settings)


def _started(
    command: list[str], environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        command, env=os.environ | (environment or {}), stdout=quiet, stderr=quiet, text=True
    )
