"""What Redis pays for a token and for a run, and for the compaction of a run that has ended.

Few runs at once, so that each token arrives alone. Runs of 5 tokens and of 200 are measured; what
differs is the tokens', the rest is the run's. First nobody follows the runs, then somebody does.
A worker compacts its runs half a minute after their ends. So each round has a worker of its own,
which compacts nothing of others meanwhile; runs of 200 tokens are compacted at once, and then what
they leave is looked at.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

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

SHORT, LONG = 5, 200
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
    Figure("redis.run_200", f"Redis for a finished run of {LONG} tokens, thread and log", "KB"),
    Figure("redis.log_200", "of it, the log", "KB"),
)
COMPACTION = (
    Figure("redis.compaction.cpu_us", f"Redis to compact a run of {LONG} tokens: CPU", "µs"),
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
    runs, few = max(AT_ONCE, effort.runs // 10), effort.limited(rounds=2)
    figures = (*FIGURES, *COMPACTION) if hasattr(Logs, "compact") else FIGURES
    return results(figures, alternate(few, {"threadmill": partial(_values, server, runs)}))


def _values(server: Any, runs: int) -> Values:
    with worker():
        short, long, *followed = (
            Load(server, runs, is_followed).spent(tokens)
            for is_followed in (False, True)
            for tokens in (SHORT, LONG)
        )
        compaction = _compaction(server, long.keys)
        kept, log = (stored_bytes(server, keys) for keys in (long.keys, _logs(long.keys)))
    return {
        **_costs("redis.", runs, short.usage, long.usage),
        **_costs("redis.followed_", runs, *(one.usage for one in followed)),
        "redis.compaction.cpu_us": compaction.cpu_us / runs,
        "redis.compaction.aof_bytes": compaction.aof_bytes / runs,
        "redis.run_200": kept / runs / 1000,
        "redis.log_200": log / runs / 1000,
    }


def _costs(prefix: str, runs: int, short: Usage, long: Usage) -> Values:
    values: Values = {}
    for name in WHAT:
        few, many = getattr(short, name) / runs, getattr(long, name) / runs
        token = (many - few) / (LONG - SHORT)
        values |= {f"{prefix}token.{name}": token, f"{prefix}run.{name}": few - SHORT * token}
    return values


def _compaction(server: Any, keys: set[bytes]) -> Usage:
    """What it costs to compact these runs, as a worker would; nothing if none does it."""
    before = Usage.read(server)
    if hasattr(Logs, "compact"):
        run_ids = [key.decode().rpartition(":")[2] for key in keys if b":run:" in key]
        asyncio.run(_compact(run_ids))
    return Usage.read(server).since(before)


async def _compact(run_ids: list[str]) -> None:
    store = Store(connect(os.environ["THREADMILL_REDIS_URL"]), "threadmill")
    try:
        outcomes = await store.logs.compact(run_ids)
    finally:
        await store.close()
    if set(outcomes) != {"ok"}:
        raise RuntimeError(f"not all runs were compacted: {outcomes}")


class Spent(NamedTuple):
    """What runs have cost Redis."""

    usage: Usage
    keys: set[bytes]
    """What they have left; the indexes were there before."""


@dataclass(frozen=True)
class Load:
    """So many runs, some at once."""

    server: Any
    runs: int
    is_followed: bool

    def spent(self, tokens: int) -> Spent:
        """What Redis did for them."""
        earlier, before = stored_keys(self.server), Usage.read(self.server)
        for begun in range(0, self.runs, AT_ONCE):
            self._execute(min(AT_ONCE, self.runs - begun), f"tokens={tokens} delay=0.02")
        used = Usage.read(self.server).since(before)
        keys = stored_keys(self.server) - earlier
        usage = replace(
            used,
            memory_bytes=stored_bytes(self.server, keys),
            log_bytes=stored_bytes(self.server, _logs(keys)),
        )
        return Spent(usage, keys)

    def _execute(self, runs: int, message: str) -> None:
        if self.is_followed:
            asyncio.run(_follow_all(runs, message))
        else:
            wait_all(enqueue_all(runs, message), ASKING_SECONDS)


def _logs(keys: set[bytes]) -> set[bytes]:
    return {key for key in keys if b":log:" in key}


async def _follow_all(runs: int, message: str) -> None:
    ai = Assistant(name="bench")

    async def follow() -> None:
        async for _ in (await ai.enqueue_async(message)).events_async():
            pass

    await asyncio.gather(*(follow() for _ in range(runs)))
