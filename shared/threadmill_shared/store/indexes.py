"""The indexes of all buckets: what a sweep looks at, and the runs that are sent again."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from threadmill_shared.records.changes import Dispatch, IndexScan
from threadmill_shared.records.waiting import QueuedRuns, WaitingRuns
from threadmill_shared.store.connections import is_cluster
from threadmill_shared.store.scripts.runs import RunScripts
from threadmill_shared.store.session import Session

FIRST_RESEND_PAUSE_MS = 2_000
LONGEST_RESEND_PAUSE_MS = 300_000
"""Between two sends of a run that nobody claims; doubling from the first to the longest."""

_SAMPLE = 10
"""Runs of one bucket's index that are read to count it: they cost the server a few milliseconds."""


class Indexes:
    """The indexes of one namespace."""

    def __init__(self, session: Session) -> None:
        self._keys = session.keys
        self._runner = session.runner
        self._scripts = RunScripts(session.keys)
        self._is_cluster = is_cluster(session.client)

    async def scan(self, at: int | None = None, *, overdue: int, unclaimed: int) -> IndexScan:
        """Look at the indexes of all buckets, for a sweep.

        Args:
            at: a time of the server in milliseconds; None: what it is now.
            overdue: how many runs of one bucket to name at most.
            unclaimed: the same.
        """
        replies = await self._runner.ask_each(
            [
                self._scripts.scan(at=at, overdue=overdue, unclaimed=unclaimed, rest=some)
                for some in self._together()
            ]
        )
        return IndexScan(
            now=max(int(reply[1]) for reply in replies),
            holders=frozenset(worker for reply in replies for worker in reply[2]),
            overdue=[run_id for reply in replies for run_id in reply[3]],
            unclaimed=[
                (run_id, score)
                for reply in replies
                for run_id, score in zip(reply[4][::2], reply[4][1::2], strict=True)
            ],
            unreported=[run_id for reply in replies for run_id in reply[5]],
        )

    async def count_waiting(self) -> WaitingRuns:
        """Count the runs that wait for a worker, or for somebody outside.

        A long queue is counted from a sample of its runs, so the cost is bounded; up to 10 runs in
        each bucket are counted exactly.
        """
        calls = [
            self._scripts.count_waiting(sample=_SAMPLE, rest=some) for some in self._together()
        ]
        return _waiting(await self._runner.ask_each(calls))

    def _together(self) -> list[list[str]]:
        """The buckets that one script looks at, as often as there are such."""
        buckets = self._keys.buckets()
        return [[bucket] for bucket in buckets] if self._is_cluster else [buckets]

    async def held_by(self, worker_id: str) -> list[str]:
        """The runs that are recorded as a worker's."""
        held = [self._keys.held(bucket, worker_id) for bucket in self._keys.buckets()]
        ask = [("ZRANGE", key, 0, -1) for key in held]
        pages = await self._runner.ask(ask)
        return [run_id for page in pages for run_id in page]

    async def begin_probe(self, queue: str, now: int, *, lifetime_ms: int) -> bool:
        """Note that a probe is sent to a queue; false if another one is under way there.

        Args:
            queue: its name.
            now: the server's time in milliseconds.
            lifetime_ms: how long the probe is waited for.
        """
        key = self._keys.probe(queue)
        return bool(await self._runner.command("SET", key, now, "NX", "PX", lifetime_ms))

    async def end_probe(self, queue: str) -> None:
        """Note that the queue's probe has come through."""
        await self._runner.command("UNLINK", self._keys.probe(queue))

    async def resend(self, run_id: str, seen: str) -> Dispatch | None:
        """Note that a run is sent again; None if it was claimed or sent meanwhile.

        Args:
            run_id: a run that stands in the dispatched index.
            seen: its score there, as it was read.
        """
        call = self._scripts.resend(
            run_id=run_id,
            seen=seen,
            resend_id=secrets.token_hex(4),
            first_pause_ms=FIRST_RESEND_PAUSE_MS,
            longest_pause_ms=LONGEST_RESEND_PAUSE_MS,
        )
        reply = await self._runner.run(call)
        if reply[0] == "moved":
            return None
        attempts = int(reply[2])
        return Dispatch(run_id, reply[1], begun=attempts > 0, attempt=attempts + 1)


def _waiting(replies: Sequence[Sequence[Any]]) -> WaitingRuns:
    """Add up what `count_waiting.lua` has replied for some buckets each."""
    queued: defaultdict[tuple[str, bool], float] = defaultdict(float)
    oldest: dict[tuple[str, bool], float] = {}
    parked: defaultdict[str, float] = defaultdict(float)
    longest: dict[str, float] = {}
    for _, now, queues, kinds, _ in replies:
        for queue, has_begun, number, since in _groups(queues, 4):
            key = queue, bool(int(has_begun))
            queued[key] += float(number)
            oldest[key] = max(oldest.get(key, 0), _seconds(since, now))
        for kind, number, since in _groups(kinds, 3):
            parked[kind] += float(number)
            longest[kind] = max(longest.get(kind, 0), _seconds(since, now))
    return WaitingRuns(
        queues=tuple(
            QueuedRuns(*key, round(number), oldest[key]) for key, number in queued.items()
        ),
        parked={kind: round(number) for kind, number in parked.items()},
        longest=longest,
        is_sampled=any(int(reply[4]) for reply in replies),
    )


def _seconds(since: Any, now: Any) -> float:
    return max(0, int(now) - int(since)) / 1000


def _groups(flat: Sequence[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """The members of a list in groups of this size."""
    return zip(*(flat[at::size] for at in range(size)), strict=True)
