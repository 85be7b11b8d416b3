"""How far several workers on this machine come, and what one costs that does nothing."""

from __future__ import annotations

import os
import time
from functools import partial
from urllib.parse import urlsplit

import psutil
from harness.cpu import cpu_seconds
from harness.effort import Effort
from harness.load import load_workers
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate
from harness.store import Usage, emptied
from harness.workers import several_workers, worker

FIGURES = (
    Figure("workers.rate", "runs of 5 tokens", "runs/s"),
    Figure("workers.cpu", "run of 5 tokens, CPU of all workers", "ms"),
    Figure("workers.redis_cpu", "run of 5 tokens, CPU of Redis", "µs"),
)
IDLE = (
    Figure("idle.worker_cpu", "idle worker, share of a core", "%"),
    Figure("idle.commands", "idle worker, commands to Redis", "per s"),
    Figure("idle.bytes", "idle worker, bytes to and from Redis", "per s"),
    Figure("idle.redis_cpu", "idle worker, share of Redis's core", "%"),
    Figure("idle.connections", "idle worker, connections to Redis", ""),
)
WORKERS = (1, 2, 4)
IDLE_SECONDS = 10.0


def measure(effort: Effort) -> list[Result]:
    """Measure each number of workers, and an idle one."""
    few = effort.limited(rounds=3)
    found = [
        result
        for count in WORKERS
        for result in results(
            FIGURES,
            alternate(few, {"threadmill": partial(_values, count, effort.runs)}),
            over="workers",
            at=count,
        )
    ]
    return [*found, *results(IDLE, alternate(few.limited(rounds=2), {"threadmill": _idle}))]


def _values(count: int, runs: int) -> Values:
    server = emptied()
    with several_workers(count, 100) as processes:
        before = Usage.read(server)
        load = load_workers(processes, runs, "tokens=5 delay=0")
        used = Usage.read(server).since(before)
    return {
        "workers.rate": runs / load.seconds,
        "workers.cpu": load.cpu / runs * 1000,
        "workers.redis_cpu": used.cpu_us / runs,
    }


def _idle() -> Values:
    server = emptied()
    with worker() as process:
        before, cpu, begun = Usage.read(server), cpu_seconds(process.pid), time.monotonic()
        time.sleep(IDLE_SECONDS)
        took = time.monotonic() - begun
        used = Usage.read(server).since(before)
        cpu = cpu_seconds(process.pid) - cpu
        connections = _connections(process.pid)
    return {
        "idle.worker_cpu": cpu / took * 100,
        "idle.commands": used.commands / took,
        "idle.bytes": (used.bytes_in + used.bytes_out) / took,
        "idle.redis_cpu": used.cpu_us / took / 1e4,
        "idle.connections": connections,
    }


def _connections(pid: int) -> int:
    port = urlsplit(os.environ["THREADMILL_REDIS_URL"]).port
    opened = psutil.Process(pid).net_connections("tcp")
    return sum(1 for one in opened if one.raddr and one.raddr.port == port)
