"""A look at all keys of the server, or of each node of a cluster, which can be continued later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis import exceptions as redis_errors

from threadmill_shared.store.connections import PASSING, is_cluster
from threadmill_shared.store.scripts.runner import unavailable
from threadmill_shared.store.session import Session
from threadmill_shared.store.worker_scanner import server_id


@dataclass(frozen=True)
class ScanStep:
    """Some keys, and where the next step begins."""

    keys: list[str]
    place: str
    """Empty: that was the last one."""


class KeyScan:
    """Reads the keys that match a pattern, a few at a time."""

    def __init__(self, session: Session, pattern: str) -> None:
        self._client = session.client
        self._runner = session.runner
        self._is_cluster = is_cluster(session.client)
        self._pattern = pattern

    async def servers(self) -> str:
        """Which servers are looked at; a place means nothing to others, nor after a restart.

        Empty if they may not be asked.
        """
        found = []
        for node in await self._nodes():
            try:
                info = await self._ask(node, "INFO", "server")
            except redis_errors.ResponseError:
                return ""
            found.append(f"{_name(node)}={server_id(info)}")
        return " ".join(found)

    async def step(self, place: str, count: int) -> ScanStep:
        """Look at about `count` keys, from a place on that the last step has named.

        Raises:
            StoreUnavailable: a server does not answer.
        """
        at, _, cursor = (place or "0 0").partition(" ")
        nodes = await self._nodes()
        if int(at) >= len(nodes):  # there are fewer than before
            return ScanStep([], "")
        reply = await self._ask(
            nodes[int(at)], "SCAN", cursor, "MATCH", self._pattern, "COUNT", count
        )
        cursor, keys = _scanned(reply)
        if cursor != "0":
            return ScanStep(keys, f"{at} {cursor}")
        following = int(at) + 1
        return ScanStep(keys, f"{following} 0" if following < len(nodes) else "")

    async def _nodes(self) -> list[Any]:
        if not self._is_cluster:
            return [None]
        try:
            await self._client.initialize()
        except PASSING as error:
            raise unavailable(error) from error
        return sorted(self._client.get_primaries(), key=_name)

    async def _ask(self, node: Any, *command: Any) -> Any:
        if node is None:
            return await self._runner.command(*command)
        try:
            return await self._client.execute_command(*command, target_nodes=node)
        except PASSING as error:
            raise unavailable(error) from error


def _name(node: Any) -> str:
    return "" if node is None else str(node.name)


def _scanned(reply: Any) -> tuple[str, list[str]]:
    """Cursor and keys; redis-py's cluster gives a cursor for each node that was asked."""
    cursor, keys = reply
    if isinstance(cursor, dict):
        [cursor] = cursor.values()
    return str(cursor), list(keys)
