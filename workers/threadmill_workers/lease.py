"""A worker's lease: it is registered, and beats once a second from a thread of its own.

A tool that blocks the event loop does not stop the beat. Nobody claims a run without a lease that
was confirmed within its lifetime, so a process that was frozen looks before it acts.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence

from pydantic_core import to_json

from threadmill_shared import errors
from threadmill_shared.connections import PASSING, StoreClient, connect
from threadmill_shared.keys import Keys
from threadmill_shared.settings import Settings
from threadmill_workers.holding import Holder

logger = logging.getLogger("threadmill.worker")

BEAT_SECONDS = 1.0
LEASE_MS = 3000
TOOLS_MS = 60_000


class Lease:
    """Keeps one worker registered while its process lives."""

    def __init__(
        self, settings: Settings, holder: Holder, tools: Sequence[str], queue: str
    ) -> None:
        self._settings = settings
        self._holder = holder
        self._tools = tools
        self._queue = queue
        self._keys = Keys(settings.namespace)
        self._confirmed_at = float("-inf")
        self._end = threading.Event()
        self._registered = threading.Event()
        self._thread = threading.Thread(target=self._work, name="threadmill-lease", daemon=True)

    def start(self, timeout: float = 10.0) -> None:
        """Register, and begin to beat.

        Raises:
            StoreUnavailable: there is no lease after `timeout` seconds.
        """
        self._thread.start()
        if not self._registered.wait(timeout):
            raise errors.StoreUnavailable(
                f"The worker could not register within {timeout:g} s; see its log."
            )

    def close(self) -> None:
        """Deregister."""
        self._end.set()
        self._thread.join(5)

    def is_confirmed(self) -> bool:
        """Whether the lease cannot have expired yet."""
        return time.monotonic() - self._confirmed_at < LEASE_MS / 1000

    async def confirmed(self) -> None:
        """Wait until the lease is confirmed."""
        while not self.is_confirmed():
            await asyncio.sleep(0.02)

    def _work(self) -> None:
        asyncio.run(self._beat_until_closed())

    async def _beat_until_closed(self) -> None:
        client = connect(self._settings.store_url())
        try:
            while not self._end.is_set():
                sent_at = time.monotonic()
                try:
                    await self._beat(client)
                    self._confirmed_at = sent_at
                    self._registered.set()
                except Exception as error:  # noqa: BLE001  without its beat a worker is as good as dead
                    logger.warning("the lease could not be renewed (%s)", type(error).__name__)
                await asyncio.to_thread(self._end.wait, BEAT_SECONDS)
            await self._deregister(client)
        finally:
            await client.aclose()

    async def _beat(self, client: StoreClient) -> None:
        # A full Redis refuses SET but allows PEXPIRE: a beat must not need room.
        lease, tools = self._keys.lease(self._holder.id), self._keys.tools(self._holder.id)
        pipeline = client.pipeline(transaction=False)
        pipeline.pexpire(lease, LEASE_MS)
        pipeline.pexpire(tools, TOOLS_MS)
        is_alive, _ = await pipeline.execute()
        if not is_alive:
            await self._register(client)

    async def _register(self, client: StoreClient) -> None:
        registration = to_json(
            {"worker": self._holder.name, "since": int(time.time()), "queue": self._queue}
        ).decode()
        pipeline = client.pipeline(transaction=False)
        pipeline.set(self._keys.lease(self._holder.id), 1, px=LEASE_MS)
        pipeline.hset(self._keys.alive(), self._holder.id, registration)
        if self._tools:
            pipeline.sadd(self._keys.tools(self._holder.id), *self._tools)
            pipeline.pexpire(self._keys.tools(self._holder.id), TOOLS_MS)
        await pipeline.execute()

    async def _deregister(self, client: StoreClient) -> None:
        try:
            await client.unlink(
                self._keys.lease(self._holder.id), self._keys.tools(self._holder.id)
            )
            await client.hdel(self._keys.alive(), self._holder.id)
        except PASSING:
            logger.debug("could not deregister; the lease expires by itself")
