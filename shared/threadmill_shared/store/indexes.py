"""The indexes of all buckets: what a sweep looks at, and the runs that are sent again."""

from __future__ import annotations

import secrets

from threadmill_shared.records.changes import Dispatch, IndexScan
from threadmill_shared.store.connections import is_cluster
from threadmill_shared.store.scripts.runs import RunScripts
from threadmill_shared.store.session import Session

FIRST_RESEND_PAUSE_MS = 2_000
LONGEST_RESEND_PAUSE_MS = 300_000
"""Between two sends of a run that nobody claims; doubling from the first to the longest."""


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
        buckets = self._keys.buckets()
        together = [[bucket] for bucket in buckets] if self._is_cluster else [buckets]
        replies = await self._runner.ask_each(
            [
                self._scripts.scan(at=at, overdue=overdue, unclaimed=unclaimed, rest=some)
                for some in together
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
