"""Deaths of workers, as they are noted by the workers that have found them."""

from __future__ import annotations

from typing import Any

from threadmill_shared import errors
from threadmill_shared.records.run import field_map
from threadmill_shared.stored import Stored

LOST_LEASE = "lease"
LOST_CONNECTION = "connection"
_SIGNS = {
    LOST_LEASE: ("no sign of life for {seconds:.0f} s", "it is frozen or cut off"),
    LOST_CONNECTION: (
        "its connection to Redis was closed",
        "it was killed, has crashed, or has ended by itself",
    ),
}


class WorkerDeath(Stored):
    """A worker was declared dead, and removed."""

    worker: str
    """The worker's id, `host:pid:nonce`."""
    cause: str
    """`lease` or `connection`: what was lost; a later release may have others."""
    silent_seconds: float = 0.0
    """For how long it had given no sign of life."""
    runs: int = 0
    """Runs that it held."""
    at: float = 0.0
    """When it was removed, in seconds since the epoch by the server's clock; not stored, since the
    server numbers the notes by it."""
    came_back: bool = False
    """Whether its process is registered again, under another id; not stored."""

    @property
    def name(self) -> str:
        """The worker's name, `host:pid`."""
        return self.worker.rpartition(":")[0]

    @property
    def sign(self) -> str:
        """What has told it, such as `no sign of life for 5 s`."""
        found, _ = _SIGNS.get(self.cause, (self.cause, ""))
        return found.format(seconds=self.silent_seconds)

    @property
    def explanation(self) -> str:
        """What this means, such as `it is frozen or cut off`, or that it came back."""
        if self.came_back:
            return "it came back"
        return _SIGNS.get(self.cause, ("", "the cause is unknown"))[1]

    def encode(self) -> str:
        """The death as it is stored."""
        return self.model_dump_json(exclude={"at", "came_back"})


def deaths_in(entries: Any) -> list[WorkerDeath]:
    """The deaths in these entries of a stream; those that this release cannot read are left out."""
    found = (_read(id, field_map(fields)) for id, fields in entries)
    return [death for death in found if death is not None]


def _read(id: str, fields: dict[str, str]) -> WorkerDeath | None:
    try:
        death = WorkerDeath.read(fields.get("death", ""), "A worker's death")
    except errors.StoreIncompatible:
        return None
    return death.model_copy(update={"at": int(id.partition("-")[0]) / 1000})
