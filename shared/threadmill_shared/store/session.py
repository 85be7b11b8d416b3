"""What all parts of a store share: the client and all that is made once for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from threadmill_shared.store.connections import PASSING, StoreClient
from threadmill_shared.store.keys import Keys
from threadmill_shared.store.memory_guard import MemoryGuard
from threadmill_shared.store.pipeline import Pipeline
from threadmill_shared.store.replicas import ReplicaCheck, Replicas
from threadmill_shared.store.scripts.runner import ScriptRunner, unavailable


class Session:
    """One namespace of a Redis, as a process reaches it."""

    def __init__(self, client: StoreClient, namespace: str, *, patience: float) -> None:
        """A session on a client from `connect`; a call is repeated for `patience` seconds."""
        self.client = client
        self.keys = Keys(namespace)
        self.pipeline = Pipeline(client)
        self.runner = ScriptRunner(self.pipeline, patience=patience)
        self.memory_guard = MemoryGuard(client)
        self._replicas = Replicas(client)

    async def close(self) -> None:
        """Close the connections."""
        await self._replicas.close()
        await self.pipeline.close()

    async def server_time(self) -> str:
        """The server's time in seconds, with a fraction: two of one second have an order."""
        seconds, microseconds = await self.runner.command("TIME")
        return f"{seconds}.{int(microseconds):06}"

    async def wait_for_replica(self, id: str, check: ReplicaCheck | None = None) -> bool:
        """Wait a moment for a replica to have all that this process has written before.

        Args:
            id: a thread's or run's, which says where it was written.
            check: what must be true as well, if there are or have been replicas.

        Returns:
            Whether one has it, or there are no replicas.
        """
        return await self._replicas.wait_for_replica(self.keys.mark(id), check)

    async def wait_for_replicas(self, ids: Iterable[str]) -> None:
        """Wait a moment for replicas to have all that this process has written for these ids."""
        await self._replicas.wait_for_replicas(map(self.keys.mark, ids))

    def look_at_replicas(self, id: str) -> None:
        """Ask for the replicas that the next write may have to wait for, beside that write.

        Args:
            id: a thread's or run's, which says where it will be written.
        """
        self._replicas.look(self.keys.mark(id))

    async def keys_like(self, pattern: str) -> AsyncIterator[str]:
        """The keys that match a pattern, each once.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        seen: set[str] = set()
        try:
            async for key in self.client.scan_iter(match=pattern, count=1000):
                if key not in seen:
                    seen.add(key)
                    yield key
        except PASSING as error:
            raise unavailable(error) from error
