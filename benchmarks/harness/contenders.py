"""The contenders that execute runs: a worker of ours, the bare SDK, and plain Celery's pools."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from harness.load import Load, load_bare_sdk, load_plain_worker, load_workers
from harness.results import OURS, Values
from harness.rounds import Contender
from harness.store import emptied
from harness.workers import plain_worker, worker

SDK = "bare SDK"
THREADS = "Celery, threads"
PREFORK = "Celery, prefork"
AT_ONCE = 200
PREFORKED = 16
"""Processes of Celery's prefork pool; each of them executes one run at a time."""

Reading = Callable[[Load, int], Values]
"""The figures of so many runs."""


def contenders(message: str, runs: int, read: Reading, *peers: str) -> dict[str, Contender]:
    """Ours, and these peers.

    Args:
        message: what each run says.
        runs: how many each of them executes; the prefork pool a fourth of them.
        read: makes figures of what they cost.
        peers: `SDK`, `THREADS`, `PREFORK`.
    """
    known: dict[str, Contender] = {
        OURS: partial(_ours, message, runs, read),
        SDK: lambda: read(load_bare_sdk(runs, AT_ONCE, message), runs),
        THREADS: partial(_plain, message, runs, read, pool="threads", slots=AT_ONCE),
        PREFORK: partial(
            _plain, message, max(PREFORKED, runs // 4), read, pool="prefork", slots=PREFORKED
        ),
    }
    return {name: known[name] for name in (OURS, *peers)}


def _ours(message: str, runs: int, read: Reading) -> Values:
    emptied()
    with worker(AT_ONCE) as process:
        return read(load_workers([process], runs, message), runs)


def _plain(message: str, runs: int, read: Reading, *, pool: str, slots: int) -> Values:
    emptied()
    with plain_worker(pool, slots) as process:
        return read(load_plain_worker(process, runs, message), runs)
