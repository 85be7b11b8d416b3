"""Which keys are written to, as Redis itself tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.client import PubSub

_SETTING = "notify-keyspace-events"
_PREPARED = (":attached:", ":request:")
"""Files, which are put beside a thread before the message that names them, and notes of what was
delivered of an earlier request: both may come at any time, and nobody finds an object by them."""


class Writes:
    """The names of keys that were written to."""

    def __init__(self, subscription: PubSub) -> None:
        self._subscription = subscription

    def names(self) -> list[str]:
        """Those since the last call, up to now."""
        self._subscription.ping()
        found: set[str] = set()
        while (message := self._subscription.get_message(timeout=10)) is not None:
            if message["type"] == "pong":
                break
            if message["type"] == "pmessage":
                found.add(message["channel"].decode(errors="replace").partition("__:")[2])
        return sorted(name for name in found if not any(part in name for part in _PREPARED))


@contextmanager
def noted_writes(redis_url: str) -> Iterator[Writes]:
    """Within the block, writes to this database are noted; expiries are not."""
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as subscription:
        number = client.connection_pool.connection_kwargs.get("db", 0)
        before = client.config_get(_SETTING)[_SETTING]
        client.config_set(_SETTING, "Kg$lshzt")
        subscription.psubscribe(f"__keyspace@{number}__:*")
        try:
            yield Writes(subscription)
        finally:
            client.config_set(_SETTING, before)
