"""What workers cost that execute nothing: heartbeats, and looking for what others have left."""

from __future__ import annotations

import os
import time
from functools import partial
from urllib.parse import urlsplit

import psutil
from harness.cpu import cpu_seconds
from harness.effort import Effort
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate
from harness.store import Usage, emptied
from harness.workers import several_workers

FIGURES = (
    Figure("idle.worker_cpu", "a worker, share of a core", "%"),
    Figure("idle.redis_cpu", "Redis for all of them, share of a core", "%"),
    Figure("idle.bytes", "to and from Redis, for all of them", "KB/s"),
    Figure("idle.connections", "connections of a worker to Redis", ""),
)
WORKERS = (1, 8, 16)
SETTLED_SECONDS = 3.0
"""Until the workers have seen each other."""
SECONDS = 10.0


def measure(effort: Effort) -> list[Result]:
    """Measure fleets of several sizes; in a single round only one worker."""
    once, sizes = effort.limited(rounds=1), WORKERS if effort.rounds > 1 else WORKERS[:1]
    return [
        result
        for count in sizes
        for result in results(
            FIGURES,
            alternate(once, {"threadmill": partial(_values, count)}),
            over="workers",
            at=count,
        )
    ]


def _values(count: int) -> Values:
    server = emptied()
    with several_workers(count, 100) as processes:
        time.sleep(SETTLED_SECONDS)
        pids = [process.pid for process in processes]
        before, cpu, begun = Usage.read(server), sum(map(cpu_seconds, pids)), time.monotonic()
        time.sleep(SECONDS)
        took = time.monotonic() - begun
        used = Usage.read(server).since(before)
        return {
            "idle.worker_cpu": (sum(map(cpu_seconds, pids)) - cpu) / count / took * 100,
            "idle.redis_cpu": used.cpu_us / took / 1e4,
            "idle.bytes": (used.bytes_in + used.bytes_out) / took / 1000,
            "idle.connections": _connections(pids[0]),
        }


def _connections(pid: int) -> int:
    port = urlsplit(os.environ["THREADMILL_REDIS_URL"]).port
    opened = psutil.Process(pid).net_connections("tcp")
    return sum(1 for one in opened if one.raddr and one.raddr.port == port)
