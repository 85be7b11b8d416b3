"""A Redis that answers reads and refuses all writes: what that means, and what helps."""

from __future__ import annotations

from dataclasses import dataclass

from threadmill.inspection.standstill import Standstill
from threadmill_shared.servers.failures import Failure, FailureKind
from threadmill_shared.servers.url import STORE

WRITE_CURES: dict[FailureKind, str] = {
    "full": "Raise maxmemory (redis-cli CONFIG SET maxmemory 4gb, and in redis.conf), or delete "
    "threads.",
    "disk": "Free space on the server's disk (df -h), and see its log; then redis-cli BGSAVE.",
    "replica": "Wait while Redis fails over; otherwise correct {url}, which must lead to the "
    "primary, or use redis+sentinel://.",
    "replicas": "Bring the replicas back (redis-cli INFO replication), or lower "
    "min-replicas-to-write.",
}
"""What helps, by the kind of the failure; `{url}` stands for the variable that has the URL."""


@dataclass(frozen=True)
class WriteRefusal:
    """Why no run moves while Redis refuses writes."""

    kind: str
    """`full`, `disk`, `replica` or `replicas`."""
    cause: str
    """What is wrong, as a clause: `Redis is full (maxmemory)`."""
    cure: str

    @classmethod
    def of(cls, failure: Failure) -> WriteRefusal:
        """The refusal, from what the server has said to a write."""
        is_full = failure.kind == "full"
        cause = "is full (maxmemory)" if is_full else f"cannot be used: {failure.cause}"
        cure = WRITE_CURES[failure.kind].format(url=STORE)
        return cls(kind=failure.kind, cause=f"Redis {cause}", cure=cure)

    @property
    def effect(self) -> str:
        """What is wrong, and what follows from it for runs: a clause."""
        return f"{self.cause}; runs wait to write"

    def standstill(self) -> Standstill:
        """Why a run does not move that has not ended."""
        return Standstill(kind="redis_refuses", reason=f"{self.effect}.", cure=self.cure)
