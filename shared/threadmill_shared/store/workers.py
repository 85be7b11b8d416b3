"""The workers that are registered, and what they can execute."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill_shared.records.workers import WorkerInfo, published_name
from threadmill_shared.store.keys import Keys
from threadmill_shared.store.scripts.workers import WorkerScripts
from threadmill_shared.store.session import Session
from threadmill_shared.store.worker_scanner import WorkerScanner
from threadmill_shared.tools import ToolSpec


def notification_channel(namespace: str, worker_id: str) -> str:
    """The channel on which a worker is told that one of its runs is to stop."""
    return Keys(namespace).worker_channel(worker_id)


class Workers:
    """The workers that are registered."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._keys = session.keys
        self._runner = session.runner
        self._scripts = WorkerScripts(session.keys)

    async def alive(self) -> list[WorkerInfo]:
        """The workers whose lease lives."""
        registered = await self._runner.command("HGETALL", self._keys.alive())
        leases = await self._runner.commands(("EXISTS", self._keys.lease(id)) for id in registered)
        found = zip(registered.items(), leases, strict=True)
        return [WorkerInfo.read(id, text) for (id, text), lives in found if lives]

    async def worker_with_more(
        self, tools: Sequence[ToolSpec], than: int, *, queue: str | None = None
    ) -> WorkerInfo | None:
        """The live worker that can execute the most of these tools, if more than so many.

        Args:
            tools: what it is to execute.
            than: so many another one can.
            queue: it consumes this one; None: any.
        """
        names = [published_name(tool) for tool in tools]
        workers = [one for one in await self.alive() if queue is None or queue in one.queues]
        known = await self._runner.commands(
            ("SMISMEMBER", self._keys.tools(worker.id), *names) for worker in workers
        )
        most, best = than, None
        for worker, found in zip(workers, known, strict=True):
            if sum(found) > most:
                most, best = sum(found), worker
        return best

    async def remove(self, worker: str, registration: str, *, expired: bool) -> bool:
        """Remove a worker that is dead; false if it turns out to live.

        Args:
            worker: its id.
            registration: what it was judged by; a worker with another one has registered again.
            expired: whether it was judged by its lease, so that one with a lease lives.
        """
        call = self._scripts.remove_worker(worker=worker, judged=registration, expired=expired)
        [outcome] = await self._runner.run(call)
        return bool(outcome != "lives")

    def scanner(self) -> WorkerScanner:
        """What asks the server about the workers again and again."""
        return WorkerScanner(self._session)
