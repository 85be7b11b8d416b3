"""What Redis pays for a token and for a run.

Few runs at once, so that each token arrives alone. Runs of 5 tokens and of 205 are measured; what
differs is the tokens', the rest is the run's. First nobody follows the runs, then somebody does.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from harness.effort import Effort
from harness.load import enqueue_all, wait_all
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate
from harness.store import Usage, emptied, stored_bytes, stored_keys
from harness.waiting import wait_until
from harness.workers import worker

from threadmill import Assistant

SHORT, LONG = 5, 205
AT_ONCE = 10
WARM_UP_RUNS = 300
ASKING_SECONDS = 0.25
"""So that asking for the end costs Redis almost nothing, compared with the tokens."""
KINDS = ("token", "run")
WHAT = {
    "commands": ("commands, with those of scripts", ""),
    "cpu_us": ("CPU", "µs"),
    "bytes_in": ("bytes that it receives", "B"),
    "bytes_out": ("bytes that it sends", "B"),
    "memory_bytes": ("memory", "B"),
    "log_bytes": ("memory of its log", "B"),
    "aof_bytes": ("append-only file", "B"),
}
FOLLOWED = ("commands", "cpu_us", "bytes_in", "bytes_out")
"""What a follower changes."""
FIGURES = (
    *(
        Figure(f"redis.{kind}.{name}", f"Redis for a {kind}: {title}", unit)
        for kind in KINDS
        for name, (title, unit) in WHAT.items()
    ),
    *(
        Figure(f"redis.followed_{kind}.{name}", f"Redis for a followed {kind}: {title}", unit)
        for kind in KINDS
        for name, (title, unit) in WHAT.items()
        if name in FOLLOWED
    ),
    Figure("redis.run_200", "Redis for a finished run of 200 tokens, thread and log", "KB"),
    Figure("redis.log_200", "of it, the log", "KB"),
)


def measure(effort: Effort) -> list[Result]:
    """Measure with an append-only file."""
    server = emptied()
    server.config_set("appendonly", "yes")
    wait_until(lambda: not server.info("persistence")["aof_rewrite_in_progress"], "the file")
    with worker():
        # Then each bucket has its indexes, which its first run would be charged for.
        wait_all(enqueue_all(WARM_UP_RUNS, "tokens=1 delay=0"))
        runs = max(AT_ONCE, effort.runs // 10)
        few = effort.limited(rounds=2)
        return results(FIGURES, alternate(few, {"threadmill": partial(_values, server, runs)}))


def _values(server: Any, runs: int) -> Values:
    alone, followed = (_costs(server, runs, is_followed=one) for one in (False, True))
    values = {f"redis.{name}": value for name, value in alone.items()}
    values |= {f"redis.followed_{name}": value for name, value in followed.items()}
    for name, what in (("run", "memory_bytes"), ("log", "log_bytes")):
        values[f"redis.{name}_200"] = (alone[f"run.{what}"] + 200 * alone[f"token.{what}"]) / 1000
    return values


def _costs(server: Any, runs: int, *, is_followed: bool) -> Values:
    load = Load(server, runs, is_followed)
    short, long = load.used(SHORT), load.used(LONG)
    values: Values = {}
    for name in WHAT:
        few, many = getattr(short, name) / runs, getattr(long, name) / runs
        token = (many - few) / (LONG - SHORT)
        values |= {f"token.{name}": token, f"run.{name}": few - SHORT * token}
    return values


@dataclass(frozen=True)
class Load:
    """So many runs, some at once."""

    server: Any
    runs: int
    is_followed: bool

    def used(self, tokens: int) -> Usage:
        """What Redis did for them."""
        earlier, before = stored_keys(self.server), Usage.read(self.server)
        for begun in range(0, self.runs, AT_ONCE):
            self._execute(min(AT_ONCE, self.runs - begun), f"tokens={tokens} delay=0.02")
        used = Usage.read(self.server).since(before)
        keys = stored_keys(self.server) - earlier  # the indexes were there before
        logs = {key for key in keys if b":log:" in key}
        return replace(
            used,
            memory_bytes=stored_bytes(self.server, keys),
            log_bytes=stored_bytes(self.server, logs),
        )

    def _execute(self, runs: int, message: str) -> None:
        if self.is_followed:
            asyncio.run(_follow_all(runs, message))
        else:
            wait_all(enqueue_all(runs, message), ASKING_SECONDS)


async def _follow_all(runs: int, message: str) -> None:
    ai = Assistant(name="bench")

    async def follow() -> None:
        async for _ in (await ai.enqueue_async(message)).events_async():
            pass

    await asyncio.gather(*(follow() for _ in range(runs)))
