"""Celery's worker, whose statistics show no password."""

from __future__ import annotations

from typing import Any

from celery.worker import WorkController

from threadmill_shared.servers.url import masked


class Controller(WorkController):
    """Runs a consumer; its statistics are what Flower shows of it."""

    def stats(self) -> dict[str, Any]:
        """Celery's statistics; in them a Unix socket's whole URL is the broker's host."""
        found: dict[str, Any] = super().stats()
        broker = found.get("broker")
        if isinstance(broker, dict) and "://" in str(broker.get("hostname")):
            broker["hostname"] = masked(str(broker["hostname"]))
        return found
