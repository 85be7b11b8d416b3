"""The Redis of this measurement: emptied, and asked what it has done."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import redis

from threadmill.client.current import close_client


def connected() -> Any:
    """A client of the measurement's Redis."""
    return redis.Redis.from_url(os.environ["THREADMILL_REDIS_URL"])


def emptied() -> Any:
    """The same with nothing in it; this process connects to it anew."""
    close_client()
    server = connected()
    server.flushall()
    return server


@dataclass(frozen=True)
class Usage:
    """What a Redis has done, since its start or in between; its own answers to this included."""

    commands: float
    bytes_in: float
    bytes_out: float
    cpu_us: float
    memory_bytes: float
    aof_bytes: float
    log_bytes: float = 0
    """Of logs only; not read with the rest."""

    @classmethod
    def read(cls, server: Any) -> Self:
        """What it says now."""
        info = server.info("everything")
        return cls(
            commands=info["total_commands_processed"],
            bytes_in=info["total_net_input_bytes"],
            bytes_out=info["total_net_output_bytes"],
            cpu_us=(info["used_cpu_user"] + info["used_cpu_sys"]) * 1e6,
            memory_bytes=info["used_memory"],
            aof_bytes=info.get("aof_current_size", 0),
        )

    def since(self, before: Usage) -> Usage:
        """The difference."""
        return Usage(*(now - then for now, then in zip(self._all(), before._all(), strict=True)))

    def _all(self) -> tuple[float, ...]:
        return tuple(vars(self).values())


def stored_keys(server: Any) -> set[bytes]:
    """All keys."""
    return set(server.scan_iter(count=1000))


def stored_bytes(server: Any, keys: Iterable[bytes]) -> int:
    """Memory of these keys with their values."""
    return sum(server.memory_usage(key, samples=0) or 0 for key in keys)
