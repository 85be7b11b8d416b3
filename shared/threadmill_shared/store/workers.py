"""The workers that are registered, and what they can execute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pydantic_core import from_json, to_json

from threadmill_shared.store.session import Session
from threadmill_shared.tools import ToolSpec


@dataclass(frozen=True)
class Seen:
    """How the death of a worker's process can be seen: its connection leaves the server's list."""

    server: str
    """The server's `run_id`; after a restart or a failover, the list says nothing."""
    client: int
    """The connection's number there."""


@dataclass(frozen=True)
class WorkerInfo:
    """A worker's registration."""

    id: str
    """`host:pid:nonce`"""
    worker: str
    """`host:pid`"""
    since: int
    """Seconds since the epoch."""
    queue: str
    """The queue that only this worker consumes."""
    queues: tuple[str, ...] = ()
    """All queues that it consumes."""
    seen: Seen | None = None
    """None: only its lease tells whether it lives."""

    def encode(self) -> str:
        """The registration as it is stored under the worker's id."""
        fields = {name: value for name, value in asdict(self).items() if name != "id"}
        return to_json(fields).decode()

    @classmethod
    def read(cls, id: str, registration: str) -> WorkerInfo:
        """Build it from what is stored; what a later version has written besides is left out."""
        stored = from_json(registration)
        seen = stored.get("seen")
        return cls(
            id=id,
            worker=stored["worker"],
            since=stored["since"],
            queue=stored["queue"],
            queues=tuple(stored.get("queues", ())),
            seen=Seen(seen["server"], seen["client"]) if seen else None,
        )


def published_name(tool: ToolSpec) -> str:
    """A tool as workers publish it: what it is, and which version of it."""
    return f"{tool.identity} {tool.digest}"


class Workers:
    """The workers that are registered."""

    def __init__(self, session: Session) -> None:
        self._keys = session.keys
        self._runner = session.runner

    async def alive(self) -> list[WorkerInfo]:
        """The workers whose lease lives."""
        registered = await self._runner.command("HGETALL", self._keys.alive())
        leases = await self._runner.commands(("EXISTS", self._keys.lease(id)) for id in registered)
        found = zip(registered.items(), leases, strict=True)
        return [WorkerInfo.read(id, text) for (id, text), lives in found if lives]

    async def worker_with_more(self, tools: Sequence[ToolSpec], than: int) -> WorkerInfo | None:
        """The live worker that can execute the most of these tools, if more than so many."""
        names = [published_name(tool) for tool in tools]
        workers = await self.alive()
        known = await self._runner.commands(
            ("SMISMEMBER", self._keys.tools(worker.id), *names) for worker in workers
        )
        most, best = than, None
        for worker, found in zip(workers, known, strict=True):
            if sum(found) > most:
                most, best = sum(found), worker
        return best
