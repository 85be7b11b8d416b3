"""What Redis pays for a token and for a run, and for the compaction of a run that has ended.

Few runs at once, so that each token arrives alone. Runs of 5 tokens and of 205 are measured; what
differs is the tokens', the rest is the run's. First nobody follows the runs, then somebody does.
Workers compact runs half a minute after their ends; here those of 205 tokens are compacted at once.
"""

from __future__ import annotations

import asyncio
import os
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
from threadmill_shared.store.connections import connect
from threadmill_shared.store.logs import Logs
from threadmill_shared.store.store import Store

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
COMPACTED = (
    Figure("redis.compacted", f"Redis for a compacted run of {LONG} tokens, thread and log", "KB"),
    Figure("redis.compaction.cpu_us", "Redis for the compaction of such a run: CPU", "µs"),
    Figure("redis.compaction.aof_bytes", "the same: append-only file", "B"),
)
"""Not of revisions that compact nothing."""


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
        figures = (*FIGURES, *COMPACTED) if hasattr(Logs, "compact") else FIGURES
        return results(figures, alternate(few, {"threadmill": partial(_values, server, runs)}))


def _values(server: Any, runs: int) -> Values:
    load = Load(server, runs, is_followed=False)
    alone, compaction = _costs(load), _compaction(load)
    followed = _costs(Load(server, runs, is_followed=True))
    values = {f"redis.{name}": value for name, value in (alone | compaction).items()}
    values |= {f"redis.followed_{name}": value for name, value in followed.items()}
    for name, what in (("run", "memory_bytes"), ("log", "log_bytes")):
        values[f"redis.{name}_200"] = (alone[f"run.{what}"] + 200 * alone[f"token.{what}"]) / 1000
    return values


def _costs(load: Load) -> Values:
    short, long = load.used(SHORT), load.used(LONG)
    values: Values = {}
    for name in WHAT:
        few, many = getattr(short, name) / load.runs, getattr(long, name) / load.runs
        token = (many - few) / (LONG - SHORT)
        values |= {f"token.{name}": token, f"run.{name}": few - SHORT * token}
    return values


def _compaction(load: Load) -> Values:
    """What it costs to compact the latest runs, and what they take then."""
    if not hasattr(Logs, "compact"):
        return {}
    keys = [key for key in load.keys if b":run:" in key]
    before = Usage.read(load.server)
    asyncio.run(_compact([key.decode().rpartition(":")[2] for key in keys]))
    used = Usage.read(load.server).since(before)
    return {
        "compacted": stored_bytes(load.server, load.keys) / load.runs / 1000,
        "compaction.cpu_us": used.cpu_us / load.runs,
        "compaction.aof_bytes": used.aof_bytes / load.runs,
    }


async def _compact(run_ids: list[str]) -> None:
    store = Store(connect(os.environ["THREADMILL_REDIS_URL"]), "threadmill")
    try:
        assert set(await store.logs.compact(run_ids)) == {"ok"}
    finally:
        await store.close()


@dataclass
class Load:
    """So many runs, some at once."""

    server: Any
    runs: int
    is_followed: bool
    keys: frozenset[bytes] = frozenset()
    """What the latest runs have stored."""

    def used(self, tokens: int) -> Usage:
        """What Redis did for them."""
        earlier, before = stored_keys(self.server), Usage.read(self.server)
        for begun in range(0, self.runs, AT_ONCE):
            self._execute(min(AT_ONCE, self.runs - begun), f"tokens={tokens} delay=0.02")
        used = Usage.read(self.server).since(before)
        # The indexes were there before.
        self.keys = frozenset(stored_keys(self.server) - earlier)
        logs = {key for key in self.keys if b":log:" in key}
        return replace(
            used,
            memory_bytes=stored_bytes(self.server, self.keys),
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
