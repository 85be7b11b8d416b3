"""Whether the store answers, as the lease's thread knows: it asks once a second."""

from __future__ import annotations

import logging

from threadmill_shared.servers.trouble import Trouble, describe_failure
from threadmill_shared.servers.url import shown_address

logger = logging.getLogger("threadmill.worker")


class StoreHealth:
    """Logs when the store does not answer, and when it does again."""

    def __init__(self, url: str) -> None:
        """It has not been asked yet."""
        self._address = shown_address(url)
        self._trouble = Trouble()

    def note_failure(self, error: BaseException) -> None:
        """Take note that the lease could not be renewed."""
        reason = describe_failure(error)
        if self._trouble.note_failure(reason):
            logger.warning(
                "Redis at %s cannot be used: %s; this worker's runs wait, and continue when it can",
                self._address,
                reason,
            )

    def note_answer(self) -> bool:
        """Take note that the lease is renewed; returns whether this is told."""
        seconds = self._trouble.note_success()
        if seconds is not None:
            logger.warning("Redis at %s can be used again, after %.0f s", self._address, seconds)
        return seconds is not None
