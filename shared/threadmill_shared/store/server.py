"""The Redis server itself: its clock, and whether it is one that can be used."""

from __future__ import annotations

from redis.exceptions import ResponseError

from threadmill_shared import errors
from threadmill_shared.store.scripts.texts import compare_and_set
from threadmill_shared.store.server_info import info_field
from threadmill_shared.store.session import Session

OLDEST_SERVER = (6, 2)
FORMAT = 1
"""Number of the store's format: how keys are named, and what is in them."""
GAPS_FORMAT = 2
"""The format of a store in which there is something that workers of earlier releases misread: a
thread from which messages were deleted, a waiting run that brings several, or a message that names
an uploaded file."""
NEWEST_FORMAT = GAPS_FORMAT
"""The latest one that this release supports."""


class Server:
    """The server of a store, or the nodes of its cluster."""

    def __init__(self, session: Session) -> None:
        self._keys = session.keys
        self._runner = session.runner
        self._used_format = 0
        """The latest that this process has written as the store's, or has found there."""

    async def ping(self) -> None:
        """See that it answers.

        Raises:
            StoreUnavailable: it does not.
        """
        await self._runner.command("PING")

    async def now(self) -> int:
        """The server's time in milliseconds."""
        seconds, microseconds = await self._runner.command("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def check(self) -> None:
        """Refuse a server that is too old, or that would evict keys: leases and runs among them.

        Raises:
            StoreIncompatible: it is one of these.
        """
        version = await self._info("server", "redis_version")
        if version and tuple(int(part) for part in version.split(".")[:2]) < OLDEST_SERVER:
            oldest = ".".join(map(str, OLDEST_SERVER))
            raise errors.StoreIncompatible(
                f"This Redis has version {version}; threadmill needs {oldest} or newer."
            )
        policy = await self._info("memory", "maxmemory_policy")
        if policy not in ("", "noeviction"):
            raise errors.StoreIncompatible(
                f"This Redis evicts keys when it is full (maxmemory-policy {policy}), so it would "
                "lose conversations and leases. Set maxmemory-policy to noeviction."
            )

    async def check_format(self) -> None:
        """Mark the store with the format's number, and refuse one of a later format.

        Raises:
            StoreIncompatible: a newer threadmill has written this store.
        """
        found = await self._raise_format(FORMAT)
        if found > NEWEST_FORMAT:
            raise errors.StoreIncompatible(
                f"The store has format {found}, but this release of threadmill supports formats up "
                f"to {NEWEST_FORMAT}. Upgrade this worker, or give it a namespace of its own "
                "(THREADMILL_NAMESPACE)."
            )

    async def use_format(self, number: int) -> None:
        """Mark the store with a format, before something is written that needs it.

        Workers of releases that do not support it refuse to start from then on. This process
        remembers it, so only the first call costs a round trip.

        Raises:
            StoreFull: Redis has no room, and the store has an earlier format.
        """
        if self._used_format < number:
            self._used_format = await self._raise_format(number)

    async def _raise_format(self, number: int) -> int:
        """Mark the store with a format, unless it has a later one; returns the one that it has."""
        key = self._keys.format()
        stored = await self._runner.command("GET", key)
        # Only if it is older, since a full server takes nothing in; and only in the place of what
        # was read, since another process may raise it meanwhile.
        while int(stored or 0) < number:
            call = compare_and_set(place=key, was=stored or "", becomes=str(number), lifetime=None)
            await self._runner.run(call)
            stored = await self._runner.command("GET", key)
        return int(stored or 0)

    async def _info(self, section: str, name: str) -> str:
        try:
            return info_field(await self._runner.command("INFO", section), name)
        except ResponseError:  # an ACL may forbid it
            return ""
