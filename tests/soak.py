"""`python -m tests.soak`: full load, tools that block their loop, and no worker declared dead.

Two workers execute as many runs as they have slots for; one tool after another blocks an event loop
for as long as a lease lives. Nothing is killed here, so every takeover is a false one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import psutil
from tests.support.environment import isolated_environment
from tests.support.processes.worker import Workers
from tests.support.servers.redis_server import RedisServer

from threadmill import Assistant
from threadmill.testing import StandIn

BLOCK = 'call block {"seconds": 3}'
TALK = "tokens=100 delay=0.02"
SLOTS = 50
BLOCK_EVERY_SECONDS = 4.0
"""Of each worker's loop 3 s, so that it is blocked most of the time."""


async def load(seconds: float, workers: int) -> Counter[tuple[str, int]]:
    """Keep all slots busy for so long; returns how often runs ended how, after how many claims."""
    ai, ended = Assistant.load("dangerous"), Counter[tuple[str, int]]()
    until = time.monotonic() + seconds

    async def talk(text: str, pause: float = 0) -> None:
        while time.monotonic() < until:
            run = await (await ai.enqueue_async(text)).wait_async(120)
            ended[run.status, run.attempt] += 1
            await asyncio.sleep(pause)

    talks = [talk(TALK) for _ in range(SLOTS * workers)]
    blocks = [talk(BLOCK, BLOCK_EVERY_SECONDS - 3) for _ in range(workers)]
    await asyncio.gather(*talks, *blocks)
    return ended


def main() -> int:
    """Load, count, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(RedisServer(folder))
        standin = stack.enter_context(StandIn())
        slots = {"THREADMILL_CONCURRENCY": str(SLOTS)}
        stack.enter_context(isolated_environment(redis.url(), standin, "responses", **slots))
        workers = stack.enter_context(Workers(folder))
        started = workers.start("dangerous", chosen.workers)
        begun = [sum(psutil.Process(one.pid).cpu_times()[:2]) for one in started]
        ended = asyncio.run(load(chosen.seconds, chosen.workers))
        used = [sum(psutil.Process(one.pid).cpu_times()[:2]) for one in started]
        dead = workers.logs().count("is dead")
    cores = (sum(used) - sum(begun)) / chosen.seconds
    print(f"{sum(ended.values())} runs in {chosen.seconds:g} s, {cores:.2f} cores of workers")
    print(", ".join(f"{count} {status} with {n}" for (status, n), count in ended.most_common()))
    print(f"{dead} workers declared dead; load average {os.getloadavg()[0]:.1f}")
    return 1 if dead or any(attempts > 1 for _, attempts in ended) else 0


if __name__ == "__main__":
    sys.exit(main())
