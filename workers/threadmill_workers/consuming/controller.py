"""Celery's worker, whose statistics show no password."""

from __future__ import annotations

from typing import Any

from celery.exceptions import WorkerTerminate
from celery.platforms import EX_FAILURE
from celery.worker import WorkController

from threadmill_shared.servers.url import masked


class Controller(WorkController):
    """Runs a consumer; its statistics are what Flower shows of it."""

    failure: Exception | None = None
    """Why it has ended by itself."""

    def start(self) -> None:
        """Run until told to stop, or until an error that is not the broker's.

        Celery would call such an error unrecoverable, with a traceback; we start another consumer.
        """
        try:
            self.blueprint.start(self)
        except WorkerTerminate:
            self.terminate()
        except SystemExit as end:
            self.stop(exitcode=end.code)
        except Exception as error:  # noqa: BLE001  anybody can send anything
            self.failure = error
            self.stop(exitcode=EX_FAILURE)

    def stats(self) -> dict[str, Any]:
        """Celery's statistics; in them a Unix socket's whole URL is the broker's host."""
        found: dict[str, Any] = super().stats()
        broker = found.get("broker")
        if isinstance(broker, dict) and "://" in str(broker.get("hostname")):
            broker["hostname"] = masked(str(broker["hostname"]))
        return found
