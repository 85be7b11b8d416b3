"""Whether this release and this server fit each other."""

from __future__ import annotations

from typing import Any

from redis.exceptions import ResponseError

from threadmill_shared import errors
from threadmill_shared.store.runs import Store

FORMAT = 1
"""Number of the store's format: how keys are named, and what is in them."""
OLDEST_SERVER = (6, 2)


class Compatibility:
    """What has to be true of a store before a worker uses it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = store.keys

    async def check_format(self) -> None:
        """Mark the store with the format's number, and refuse one of a later format.

        Raises:
            StoreIncompatible: a newer threadmill has written this store.
        """
        key = self._keys.format()
        stored = await self._store.read("GET", key)
        # Only where it is older, since a full server takes nothing in; and only in the place of
        # what was read, since a later release may raise it meanwhile.
        while int(stored or 0) < FORMAT:
            args = {"was": stored or "", "becomes": FORMAT, "lifetime": ""}
            await self._store.scripts.run("replace", keys={"place": key}, args=args)
            stored = await self._store.read("GET", key)
        if (found := int(stored or 0)) > FORMAT:
            raise errors.StoreIncompatible(
                f"This store has format {found}, and this threadmill knows formats up to {FORMAT}. "
                "Upgrade this worker, or give it a namespace of its own (THREADMILL_NAMESPACE)."
            )

    async def check_server(self) -> None:
        """Refuse a server that is too old, or that would evict keys: leases and runs among them.

        Raises:
            StoreIncompatible: it is one of these.
        """
        info = await self._info("server") | await self._info("memory")
        version = str(info.get("redis_version", ""))
        if version and tuple(int(part) for part in version.split(".")[:2]) < OLDEST_SERVER:
            oldest = ".".join(map(str, OLDEST_SERVER))
            raise errors.StoreIncompatible(
                f"This Redis has version {version}; threadmill needs {oldest} or newer."
            )
        policy = info.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            raise errors.StoreIncompatible(
                f"This Redis evicts keys when it is full (maxmemory-policy {policy}), and would "
                "lose conversations and leases. Set maxmemory-policy to noeviction."
            )

    async def _info(self, section: str) -> dict[str, Any]:
        try:
            found = await self._store.read("INFO", section)
        except ResponseError:  # an ACL may forbid it
            return {}
        return found if isinstance(found, dict) else {}
