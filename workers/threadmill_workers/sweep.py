"""Finds runs that nobody executes any more, and sees to it that somebody does.

Every worker sweeps; two at once do no harm, since each change is a script that compares first. A
worker counts as gone when its lease is missing in two looks that are two beats apart, each answered
promptly by the same server: a server that was stopped for a while makes every lease expire at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from redis import exceptions as redis_errors

from threadmill_shared.records import Status
from threadmill_shared.registry import Registry
from threadmill_shared.runs import Dispatch
from threadmill_shared.store import Store
from threadmill_workers.lease import BEAT_SECONDS

logger = logging.getLogger("threadmill.worker")

SWEEP_SECONDS = 1.0
PROMPT_SECONDS = 1.0
"""A look that took longer proves nothing."""
UNCLAIMED_MS = 30_000
"""How long a run that was sent may wait unclaimed before it is sent again."""
RESEND_MS = (30_000, 300_000)
"""The further pauses: at first, and at most."""
CANCEL_GRACE_MS = 1000
OVERDUE_GRACE_MS = 10_000
OVERDUE = {
    "code": "server_error",
    "name": "deadline",
    "message": "deadline: The run did not end in time, and its worker did not end it.",
}


@dataclass(frozen=True)
class _Look:
    """What one look at the server found."""

    at: float
    server: str
    missing: frozenset[str]
    """Workers that hold runs and have no lease."""


class Sweep:
    """Looks at the indexes of all buckets, again and again."""

    def __init__(
        self, store: Store, send: Callable[[Dispatch | None], None], *, adopts: bool = False
    ) -> None:
        """A sweep that sends what it finds.

        Args:
            store: where it looks.
            send: takes each run that is to be executed.
            adopts: whether it takes what scripts that have ended left in queues of their own.
        """
        self._store = store
        self._send = send
        self._adopts = adopts
        self._first: dict[str, _Look] = {}

    async def work(self) -> None:
        """Sweep for ever."""
        while True:
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001  nobody would notice that it has stopped
                logger.warning("a sweep was not finished: %s", type(error).__name__)
            await asyncio.sleep(SWEEP_SECONDS)

    async def once(self) -> None:
        """One look, and what follows from it and the ones before."""
        holders = await self._holders()
        look = await self._look({worker for workers in holders.values() for worker in workers})
        for worker in self._gone(look):
            name = worker.rpartition(":")[0]
            logger.warning("worker %s is gone; its runs go on elsewhere", name)
            await self._bury(worker, [b for b, workers in holders.items() if worker in workers])
        await self._end_overdue(holders)
        if self._adopts:
            await self._adopt()
        else:
            await self._resend()

    async def _resend(self) -> None:
        """Send what nobody has claimed for a while; its message may be lost."""
        until = await self._now() - UNCLAIMED_MS
        found = await self._store.gather(
            ("ZRANGEBYSCORE", f"{bucket}dispatched", "-inf", until, "LIMIT", 0, 100)
            for bucket in self._store.keys.buckets()
        )
        for run_id in (run_id for runs in found for run_id in runs):
            key = f"{self._store.keys.bucket(run_id)}dispatched"
            seen = await self._store.read("ZSCORE", key, run_id)
            if seen is not None and float(seen) <= until:
                self._send(await self._store.resend(run_id, f"{float(seen):.0f}", RESEND_MS))

    async def _adopt(self) -> None:
        """Take the runs of scripts that have ended; nobody consumes their queues any more."""
        buckets = self._store.keys.buckets()
        found = await self._store.gather(("ZRANGE", f"{b}dispatched", 0, 99) for b in buckets)
        run_ids = [run_id for runs in found for run_id in runs]
        if not run_ids:
            return
        consumed = {worker.queue for worker in await Registry(self._store).workers()}
        keys = self._store.keys
        queues = await self._store.gather(("HGET", keys.run(one), "queue") for one in run_ids)
        for run_id, queue in zip(run_ids, queues, strict=True):
            if queue is not None and queue not in consumed:
                self._send(Dispatch(run_id, queue))

    # ---- workers that are gone -------------------------------------------------------------------

    async def _holders(self) -> dict[str, list[str]]:
        buckets = self._store.keys.buckets()
        found = await self._store.gather(("ZRANGE", f"{b}holders", 0, -1) for b in buckets)
        return {b: workers for b, workers in zip(buckets, found, strict=True) if workers}

    async def _look(self, workers: set[str]) -> _Look | None:
        keys, begun_at = self._store.keys, time.monotonic()
        names = sorted(workers | await self._registered())
        alive = await self._store.gather(("EXISTS", keys.lease(name)) for name in names)
        server = await self._server()
        if time.monotonic() - begun_at > PROMPT_SECONDS:
            return None
        missing = frozenset(n for n, is_alive in zip(names, alive, strict=True) if not is_alive)
        return _Look(begun_at, server, missing)

    async def _server(self) -> str:
        """The server's identity; it changes with a restart and with a failover."""
        try:
            found = await self._store.read("INFO", "server")
        except redis_errors.ResponseError:  # an ACL may forbid it; then leases alone decide
            return ""
        info = found if isinstance(found, dict) else {}
        return str(info.get("run_id", ""))

    async def _registered(self) -> set[str]:
        return set(await self._store.read("HKEYS", self._store.keys.alive()))

    def _gone(self, look: _Look | None) -> list[str]:
        if look is None:
            self._first.clear()
            return []
        gone = [
            worker
            for worker, first in self._first.items()
            if worker in look.missing
            and first.server == look.server
            and look.at - first.at >= 2 * BEAT_SECONDS
        ]
        self._first = {
            worker: first
            for worker in look.missing
            if worker not in gone
            for first in [self._first.get(worker, look)]
            if first.server == look.server
        }
        return gone

    async def _bury(self, worker: str, buckets: list[str]) -> None:
        await self._store.read("HDEL", self._store.keys.alive(), worker)
        for bucket in buckets:
            for run_id in await self._store.read("ZRANGE", f"{bucket}held:{worker}", 0, -1):
                await self._take_over(run_id, worker)

    async def _take_over(self, run_id: str, worker: str) -> None:
        record = await self._store.record(run_id)
        if record is None or record.holder != worker:
            return
        outcome = await self._store.reclaim(record)
        if outcome == "cancelling":
            await self._force(run_id, 0)
        elif outcome == "ok":
            self._send(Dispatch(run_id, record.queue, begun=True))

    # ---- runs that are overdue -------------------------------------------------------------------

    async def _end_overdue(self, holders: dict[str, list[str]]) -> None:
        now = await self._now()
        due = await self._store.gather(
            ("ZRANGEBYSCORE", f"{bucket}deadlines", "-inf", now, "LIMIT", 0, 100)
            for bucket in holders
        )
        for run_id in (run_id for runs in due for run_id in runs):
            record = await self._store.record(run_id)
            if record is not None:
                is_cancelling = record.status is Status.CANCELLING
                await self._force(run_id, CANCEL_GRACE_MS if is_cancelling else OVERDUE_GRACE_MS)

    async def _now(self) -> int:
        """The server's time in milliseconds."""
        seconds, microseconds = await self._store.read("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def _force(self, run_id: str, grace_ms: int) -> None:
        ended = await self._store.force(
            run_id, status=Status.EXPIRED, grace_ms=grace_ms, last_error=OVERDUE
        )
        if ended is not None:
            self._send(ended.send)
