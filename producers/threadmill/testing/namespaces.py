"""Deletes what a test has stored."""

from __future__ import annotations

import contextlib

import redis

_PAGE = 1000
"""Keys per round trip."""


def forget(url: str, namespace: str) -> None:
    """Delete all keys of a namespace, and what Celery has kept for its queues."""
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        for pattern in (f"{namespace}*", f"_kombu.*{namespace}*"):
            for key in client.scan_iter(match=pattern, count=_PAGE):
                client.unlink(key)
