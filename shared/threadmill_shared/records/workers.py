"""The registrations of workers, as they are stored."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import asdict, dataclass

from pydantic_core import from_json, to_json

from threadmill_shared.records.worker_state import WorkerState
from threadmill_shared.tools import ToolSpec

REPLACE_CODE = 75
"""Exit code of a worker that must be replaced by a new process (`EX_TEMPFAIL`: try again)."""


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
    keeps_indexes: bool = True
    """Whether it keeps the indexes of lists; releases that do not say so do not."""

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
            keeps_indexes=bool(stored.get("keeps_indexes")),
        )


@dataclass(frozen=True)
class RegisteredWorker:
    """A worker that is registered, as it was seen at one time."""

    info: WorkerInfo
    has_lease: bool
    """Whether it lives; without one, it has been silent for 3 s and will be declared dead."""
    tools: dict[str, str]
    """Digest by identity of the tools that it can execute."""
    state: WorkerState | None
    """What it is doing; None: it is of an older release, which does not say it."""
    state_age: float | None
    """Seconds since it has said so; more than a few if its event loop does not answer."""


def host_name() -> str:
    """This host's name, without what may not stand in a channel's or a queue's name."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())


def process_name() -> str:
    """The name of this process among workers, `host:pid`."""
    return f"{host_name()}:{os.getpid()}"


def published_name(tool: ToolSpec) -> str:
    """A tool as workers publish it: what it is, and which version of it."""
    return f"{tool.identity} {tool.digest}"
