"""Commands about a server itself, whose answers a cluster gives node by node."""

from __future__ import annotations

from typing import Any


async def ask_all(client: Any, method: str, *args: Any, **options: Any) -> list[Any]:
    """What the server answers, or each node of a cluster, to a method of redis-py's client."""
    ask = getattr(client, method)
    if not hasattr(client, "get_primaries"):
        return [await ask(*args, **options)]
    await client.initialize()
    return [await ask(*args, **options, target_nodes=node) for node in client.get_primaries()]
