"""Runs, many at once, of ours and of the peers; and what they cost who executes them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from harness.cpu import Stopwatch, cpu_of_all, memory_mb
from harness.store import connected
from harness.waiting import wait_until
from harness.workers import plain_runs_finished

from threadmill import Assistant, Run

BARE_SDK = Path(__file__).parents[1] / "processes" / "bare_sdk.py"


class Load(NamedTuple):
    """What so many runs cost."""

    seconds: float
    cpu: float
    """Seconds of CPU, of the processes that executed them."""
    memory: float
    """Megabytes of memory of these processes afterwards."""


def load_bare_sdk(runs: int, at_once: int, message: str) -> Load:
    """The SDK's streaming loop, storing nothing, in a process of its own."""
    command = [sys.executable, str(BARE_SDK), str(runs), str(at_once), message]
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    found = json.loads(out)
    return Load(found["seconds"], found["cpu"], found["memory"])


def load_plain_worker(worker: subprocess.Popen[str], runs: int, message: str) -> Load:
    """The plain task, on its worker."""
    from processes.plain_task import answer  # noqa: PLC0415  it reads the environment

    expected = plain_runs_finished() + runs
    watch = Stopwatch(lambda: cpu_of_all(worker.pid))
    for number in range(runs):
        answer.delay(str(number), message)
    wait_until(lambda: plain_runs_finished() == expected, "the plain tasks")
    return Load(watch.seconds, watch.cpu, memory_mb(worker.pid))


def load_workers(
    workers: Sequence[subprocess.Popen[str]], runs: int, message: str, pause: float = 0.01
) -> Load:
    """Runs of ours, each on a thread of its own, on these workers; `pause` as of `wait_all`."""
    pids = [worker.pid for worker in workers]
    watch = Stopwatch(lambda: cpu_of_all(*pids))
    wait_all(enqueue_all(runs, message), pause)
    return Load(watch.seconds, watch.cpu, sum(map(memory_mb, pids)))


def enqueue_all(runs: int, message: str) -> list[Run]:
    """Enqueue so many runs at once."""
    ai = Assistant(name="bench")

    async def enqueue() -> list[Run]:
        return await asyncio.gather(*(ai.enqueue_async(message) for _ in range(runs)))

    return asyncio.run(enqueue())


def wait_all(runs: Sequence[Run], pause: float = 0.01) -> None:
    """Wait until they have ended, without following them: that would cost Redis.

    Redis is asked once in each pause, in seconds.

    Raises:
        RuntimeError: one of them was not completed.
    """
    server = connected()
    for run in runs:
        key = f"threadmill:{{{run.id[4:6]}}}:run:{run.id}"
        wait_until(partial(_has_ended, server, key), f"the end of {run.id}", pause)


def _has_ended(server: Any, key: str) -> bool:
    status = server.hget(key, "status")
    if status in (b"queued", b"in_progress"):
        return False
    if status != b"completed":
        raise RuntimeError(f"{key} is {status}")
    return True
