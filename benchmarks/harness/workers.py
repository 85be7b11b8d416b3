"""Workers, ours and plain Celery's, as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
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
        [started] = _start_workers(stack, 1, concurrency, settings)
        _warm_up()
        yield started


@contextmanager
def several_workers(count: int, concurrency: int) -> Iterator[list[subprocess.Popen[str]]]:
    """So many workers of ours, all of which take runs."""
    with ExitStack() as stack:
        started = _start_workers(stack, count, concurrency, {})
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
        _wait_for([process], lambda: plain_runs_finished() == WARM_UP_RUNS)
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


def _start_workers(
    stack: ExitStack, count: int, concurrency: int, settings: dict[str, str]
) -> list[subprocess.Popen[str]]:
    """So many, alive, until the stack is left."""
    command = [sys.executable, "-m", "threadmill", "worker", "processes.bot"]
    command += ["--log-level", "WARNING"]
    given = {"THREADMILL_CONCURRENCY": str(concurrency), "THREADMILL_DRAIN_SECONDS": "0"}
    started = [
        stack.enter_context(ended(_started(command, given | settings))) for _ in range(count)
    ]
    server = connected()
    _wait_for(started, lambda: server.hlen("threadmill:{workers}:alive") == count)
    return started


def _wait_for(started: list[subprocess.Popen[str]], are_ready: Callable[[], bool]) -> None:
    """Wait until these workers are ready.

    Raises:
        RuntimeError: one has ended instead.
    """
    wait_until(lambda: are_ready() or _ended(started), "the workers")
    if ended_ones := _ended(started):
        raise RuntimeError(f"a worker has ended with status {ended_ones[0].returncode}")


def _ended(started: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    return [one for one in started if one.poll() is not None]


def _started(
    command: list[str], environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """What it says goes where this process says why it has failed."""
    return subprocess.Popen(
        command, env=os.environ | (environment or {}), stdout=subprocess.DEVNULL, text=True
    )
