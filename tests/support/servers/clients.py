"""What a single server and a cluster do differently: connections, and answers node by node."""

from __future__ import annotations

from typing import Any

import redis

CLUSTER = "redis+cluster://"


def sync_client(url: str, **options: Any) -> Any:
    """A client that blocks, for a URL as the store has it."""
    if not url.startswith(CLUSTER):
        return redis.Redis.from_url(url, **options)
    first, _, _ = url.removeprefix(CLUSTER).partition(",")
    return _ClosingCluster.from_url(f"redis://{first}", **options)


class _ClosingCluster(redis.RedisCluster):
    """A cluster's client whose `close` closes its sockets; redis-py's leaves them open."""

    def close(self) -> None:
        if hasattr(self, "nodes_manager"):  # not if the first connection failed
            self.disconnect_connection_pools()
        super().close()


async def ask_all(client: Any, method: str, *args: Any, **options: Any) -> list[Any]:
    """What the server answers, or each node of a cluster, to a method of redis-py's client."""
    ask = getattr(client, method)
    if not hasattr(client, "get_primaries"):
        return [await ask(*args, **options)]
    await client.initialize()
    return [await ask(*args, **options, target_nodes=node) for node in client.get_primaries()]
