"""The three ways to stream the same runs, each measured from outside."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import psutil
import redis
from servers import ended

from threadmill import Assistant, Run
from threadmill.client.current import close_client
from threadmill.testing import StandIn

TOKENS = 50
MESSAGE = f"tokens={TOKENS} delay=0.02"
GIVE_UP_SECONDS = 120


class Figures(NamedTuple):
    """What one contender did in one round."""

    runs_per_second: float
    cpu_us: float
    """Per token, of the contender's process."""
    rss_mb: float
    first_ms: float
    """Median from the request (for ours: the claim) to the first token; NaN: not recorded."""


class Latencies(NamedTuple):
    """Medians on an idle machine, in milliseconds."""

    direct_ms: float
    say_ms: float
    readable_ms: float


def run_bare(runs: int, at_once: int) -> Figures:
    """The SDK's streaming loop, storing nothing."""
    command = [sys.executable, "bare_sdk.py", str(runs), str(at_once), MESSAGE]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(out)
    return Figures(
        runs / found["seconds"], found["cpu"] / runs / TOKENS * 1e6, found["rss"], found["first"]
    )


def run_plain(runs: int, at_once: int) -> Figures:
    """The task that a team would write, on Celery's threads pool."""
    store = _redis()
    store.flushall()
    command = [sys.executable, "-m", "celery", "-A", "plain_task", "worker", "-Q", "plain"]
    command += ["--pool", "threads", "-c", str(at_once), "-l", "WARNING"]
    command += ["--without-gossip", "--without-mingle"]
    from plain_task import answer  # noqa: PLC0415  it reads the environment

    def finished() -> int:
        return int(store.get("plain:finished") or 0)

    quiet = subprocess.DEVNULL
    with ended(subprocess.Popen(command, stdout=quiet, stderr=quiet, text=True)) as worker:
        answer.delay("warm-up", "tokens=1 delay=0")
        _wait(lambda: finished() == 1)
        begun, used = time.perf_counter(), cpu_seconds(worker.pid)
        for number in range(runs):
            answer.delay(str(number), MESSAGE)
        _wait(lambda: finished() == runs + 1)
        seconds = time.perf_counter() - begun
        return _figures(worker.pid, runs, seconds, cpu_seconds(worker.pid) - used, float("nan"))


def run_threadmill(runs: int, at_once: int) -> Figures:
    """Our worker, storing everything."""
    store = _redis()
    store.flushall()
    close_client()
    command = [sys.executable, "-m", "threadmill", "worker", "bot", "--log-level", "WARNING"]
    env = os.environ | {"THREADMILL_CONCURRENCY": str(at_once)}
    quiet = subprocess.DEVNULL
    worker = subprocess.Popen(command, env=env, stdout=quiet, stderr=quiet, text=True)
    with ended(worker):
        ai = Assistant(name="bench")
        ai.say("tokens=1 delay=0", event_handler_class=None)
        begun, used = time.perf_counter(), cpu_seconds(worker.pid)
        last = asyncio.run(_enqueue(ai, runs))
        for run in last:
            run.wait(GIVE_UP_SECONDS)
        seconds = time.perf_counter() - begun
        cpu = cpu_seconds(worker.pid) - used
        first = statistics.median(_claim_to_first_token(store, run) for run in last[::10])
        return _figures(worker.pid, runs, seconds, cpu, first)


def _claim_to_first_token(store: Any, run: Run) -> float:
    """Milliseconds, from the times of the stored log."""
    log = store.xrange(f"threadmill:{{{run.id[4:6]}}}:log:{run.id}")
    at = {kind: int(fields[b"t"]) for _, fields in reversed(log) for kind in _kinds(fields)}
    return at["d"] - at["r"]


def _kinds(fields: dict[bytes, bytes]) -> set[str]:
    records = json.loads(b"[" + fields[b"e"] + b"]")
    return {r[0] for r in records if r[:2] == ["r", "in_progress"] or r[0] == "d"}


async def _enqueue(ai: Assistant, runs: int) -> list[Run]:
    return list(await asyncio.gather(*(ai.enqueue_async(MESSAGE) for _ in range(runs))))


def idle_latencies(samples: int) -> Latencies:
    """One call at a time: how much later a token is here than in a direct call."""
    found = json.loads(
        subprocess.run(
            [sys.executable, "bare_sdk.py", str(samples), "1", "tokens=5 delay=0.02"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    close_client()
    with StandIn() as standin:
        env = os.environ | {"OPENAI_BASE_URL": standin.base_url}
        command = [sys.executable, "-m", "threadmill", "worker", "bot", "--log-level", "WARNING"]
        quiet = subprocess.DEVNULL
        with ended(subprocess.Popen(command, env=env, stdout=quiet, stderr=quiet, text=True)):
            ai = Assistant(name="bench")
            ai.say("tokens=1 delay=0", event_handler_class=None)
            standin.forget()
            seen = [_first_and_all(ai) for _ in range(samples)]
            sent = [at for record in standin.requests for at in record.token_times]
    arrived = [at for _, times in seen for at in times]
    delays = [(b - a) * 1000 for a, b in zip(sent, arrived, strict=True)]
    say_ms = statistics.median(first for first, _ in seen) * 1000
    return Latencies(found["first"], say_ms, statistics.median(delays))


def _first_and_all(ai: Assistant) -> tuple[float, list[float]]:
    begun = time.monotonic()
    events = ai.enqueue("tokens=5 delay=0.02").events()
    times = [time.monotonic() for event in events if event.event == "thread.message.delta"]
    return times[0] - begun, times


def _figures(pid: int, runs: int, seconds: float, cpu: float, first: float) -> Figures:
    rss = psutil.Process(pid).memory_info().rss / 1e6
    return Figures(runs / seconds, cpu / runs / TOKENS * 1e6, rss, first)


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _redis() -> Any:
    return redis.Redis.from_url(os.environ["THREADMILL_REDIS_URL"])


def _wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + GIVE_UP_SECONDS
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("a contender did not finish")
        time.sleep(0.02)
