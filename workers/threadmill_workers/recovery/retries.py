"""Work that is repeated for ever, and how the log tells that it fails."""

from __future__ import annotations

import logging
from collections.abc import Callable

from threadmill_shared import errors
from threadmill_shared.servers.trouble import Trouble, describe_failure
from threadmill_shared.store.connections import is_passing
from threadmill_workers.log_text import describe_error

logger = logging.getLogger("threadmill.worker")

PATIENCE_SECONDS = 5.0
"""How long Redis may be away without a line here; the lease has one, and expires sooner."""


class Retries:
    """Logs the first failure of some work, and that it succeeds again."""

    def __init__(
        self, what: str, is_connected: Callable[[], bool], *, on_full: Callable[[], None]
    ) -> None:
        """It has not failed yet.

        Args:
            what: names the work, in words for operators.
            is_connected: whether the lease's own connection works. If not, the lease has told.
            on_full: called whenever it has failed because Redis is full, and tells that itself.
        """
        self._what = what
        self._is_connected = is_connected
        self._on_full = on_full
        self._trouble = Trouble()

    def note_failure(self, error: Exception) -> None:
        """Take note of a failure."""
        if not _is_of_redis(error):
            place = describe_error(error)
            if self._trouble.note_failure(place):
                logger.error("%s fails and is retried: %s", self._what, place)
            return
        if isinstance(error, errors.StoreFull):
            self._on_full()
            return
        reason = describe_failure(error)
        if self._is_connected() and self._trouble.note_failure(reason, after=PATIENCE_SECONDS):
            logger.warning(
                "%s waits, since Redis cannot be used for it: %s; it is repeated",
                self._what,
                reason,
            )

    def note_success(self) -> None:
        """Take note of a success."""
        if (seconds := self._trouble.note_success()) is not None:
            logger.warning("%s succeeds again, after %.0f s", self._what, seconds)


def _is_of_redis(error: Exception) -> bool:
    return is_passing(error) or isinstance(error, errors.InfrastructureError)
