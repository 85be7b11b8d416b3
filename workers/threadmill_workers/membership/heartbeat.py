"""The heartbeat of a worker: it registers, and says once a second that it lives."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence

from threadmill_shared.records.worker_death import WorkerDeath
from threadmill_shared.records.workers import Seen, WorkerInfo
from threadmill_shared.store.heartbeat_connection import HeartbeatConnection
from threadmill_workers.membership.identity import WorkerIdentity

logger = logging.getLogger("threadmill.worker")

LEASE_MS = 3000
TOOLS_MS = 60_000


class Heartbeat:
    """Registers one worker process, again and again under new ids if others hold it for dead."""

    def __init__(
        self,
        holder: WorkerIdentity,
        info: WorkerInfo,
        tools: Sequence[str],
        *,
        on_declared_dead: Callable[[], None],
    ) -> None:
        """Nothing is registered yet.

        Args:
            holder: whose heartbeat it is.
            info: what others may know of the worker.
            tools: what it can execute, as other processes look it up.
            on_declared_dead: called before the worker is registered under a new id.
        """
        self.holder = holder
        """Who the worker is; another one once it was declared dead."""
        self.confirmed_at = float("-inf")
        """When the last beat was sent that was answered, by `boot_seconds`."""
        self._info = info
        self._tools = tools
        self._on_declared_dead = on_declared_dead
        self._seen: Seen | None = None
        self._registration = ""
        self._tried: dict[str, None] = {}
        """The registrations that may be stored: the last one, and those without an answer."""

    async def begin(self, connection: HeartbeatConnection) -> None:
        """Register, over a connection that is new."""
        self._seen = await connection.seen()
        await self._register(connection)

    async def beat(self, connection: HeartbeatConnection) -> None:
        """Renew the lease; register again if it has expired, or if others hold us for dead."""
        sent_at = boot_seconds()
        outcome = await connection.renew_lease(
            self.holder.id, self._registration, lease_ms=LEASE_MS, tools_ms=TOOLS_MS
        )
        if outcome == "ok":
            self.confirmed_at = sent_at
        elif outcome == "lapsed":
            await self._register(connection)
        else:
            await self._register_anew(connection)
        if self._seen is not None and not await connection.proves(self._seen):
            self._seen = None  # what the server lists can no longer be relied upon
            await self._register(connection)

    async def end(self, connection: HeartbeatConnection) -> None:
        """Deregister."""
        await connection.remove(self.holder.id, self._registration)

    async def _register(self, connection: HeartbeatConnection) -> None:
        sent_at = boot_seconds()
        registration = dataclasses.replace(self._info, seen=self._seen).encode()
        # Before the first answer there is none that others could have removed.
        known = "\n".join(self._tried) if self._registration else ""
        self._tried[registration] = None
        outcome = await connection.register(
            self.holder.id,
            registration,
            known=known,
            tools=self._tools,
            lease_ms=LEASE_MS,
            tools_ms=TOOLS_MS,
        )
        if outcome == "buried":
            await self._register_anew(connection)
            return
        self._registration, self.confirmed_at = registration, sent_at
        self._tried = {registration: None}

    async def _register_anew(self, connection: HeartbeatConnection) -> None:
        """Go on under a new id: others hold this one for dead, or Redis has lost it."""
        death = await connection.death_of(self.holder.id)
        _log_removal(death)
        self._on_declared_dead()
        self.confirmed_at, self._registration, self._tried = float("-inf"), "", {}
        self.holder = self.holder.renewed()
        await self._register(connection)


def _log_removal(death: WorkerDeath | None) -> None:
    if death is None:
        logger.warning(
            "Redis has lost data: it does not know this worker any more, and no worker has declared"
            " it dead. Redis was flushed, or has restarted or failed over without its last"
            " writes; threadmill doctor examines its persistence. This worker drops its runs, and"
            " continues under a new id"
        )
        return
    logger.warning(
        "this worker was declared dead: %s; %s. It continues under a new id; if this happens often,"
        " its host or its network is overloaded",
        death.sign,
        f"its runs were reassigned: {death.runs}" if death.runs else "it held no run",
    )


def boot_seconds() -> float:
    """Seconds that pass while the machine sleeps, too: the server's do."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
