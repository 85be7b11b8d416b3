"""Putting a store back to an earlier state, as a failover does that loses the last writes."""

from __future__ import annotations

import contextlib
from typing import Any

from tests.support.servers.clients import sync_client


class Snapshot:
    """What the keys of a namespace hold now."""

    def __init__(self, url: str, namespace: str) -> None:
        self._url = url
        self._pattern = f"{namespace}:*"
        with self._client() as client, client.pipeline() as transaction:
            keys = list(client.scan_iter(self._pattern))
            for key in keys:
                transaction.pttl(key).dump(key)
            found = iter(transaction.execute())  # at once: a record and its log fit together
        self._kept = {key: (max(next(found), 0), next(found)) for key in keys}

    def restore(self) -> None:
        """Put the store back to it, at once: no command of anybody else comes in between."""
        with self._client() as client, client.pipeline() as transaction:
            for key in client.scan_iter(self._pattern):
                transaction.delete(key)
            for key, (ttl, value) in self._kept.items():
                transaction.restore(key, ttl, value, replace=True)
            transaction.execute()

    def _client(self) -> contextlib.closing[Any]:
        return contextlib.closing(sync_client(self._url))
