"""Whether the Redis server is new enough, and keeps what it is given when its memory is full."""

from __future__ import annotations

from typing import Any

from redis.exceptions import ResponseError

from threadmill_shared import errors
from threadmill_shared.store.runs import Store

OLDEST_SERVER = (6, 2)


async def check_server(store: Store) -> None:
    """Refuse a server that is too old, or that would evict keys: leases and runs among them.

    Raises:
        StoreIncompatible: it is one of these.
    """
    info = await _info(store, "server") | await _info(store, "memory")
    version = str(info.get("redis_version", ""))
    if version and tuple(int(part) for part in version.split(".")[:2]) < OLDEST_SERVER:
        oldest = ".".join(map(str, OLDEST_SERVER))
        raise errors.StoreIncompatible(
            f"This Redis has version {version}; threadmill needs {oldest} or newer."
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise errors.StoreIncompatible(
            f"This Redis evicts keys when it is full (maxmemory-policy {policy}), so it would "
            "lose conversations and leases. Set maxmemory-policy to noeviction."
        )


async def _info(store: Store, section: str) -> dict[str, Any]:
    try:
        found = await store.read("INFO", section)
    except ResponseError:  # an ACL may forbid it
        return {}
    return found if isinstance(found, dict) else {}
