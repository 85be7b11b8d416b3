"""Whether the broker can be used: the log tells when it cannot, and when it can again."""

from __future__ import annotations

import logging

from threadmill_shared.servers.trouble import Trouble, describe_failure
from threadmill_shared.servers.url import shown_address

logger = logging.getLogger("threadmill.broker")


PATIENCE_SECONDS = 1.0
"""A consumer that is connected again sooner has missed nothing: a connection was replaced."""


class BrokerHealth:
    """What a process knows of its broker, in all threads that use it."""

    def __init__(self, url: str) -> None:
        """It has not been used yet; `url` is the broker's, as kombu spells it."""
        self._address = shown_address(url)
        self._trouble = Trouble()

    def note_unsent(self, what: str, error: BaseException, loss: str) -> None:
        """Take note that something could not be sent, and what that means."""
        reason = describe_failure(error)
        if self._trouble.note_failure(reason):
            logger.warning(
                "could not send %s: broker %s: %s; %s", what, self._address, reason, loss
            )

    def note_disconnected(self, error: BaseException) -> None:
        """Take note that the consumer has lost its connection, or does not get one."""
        reason = describe_failure(error)
        if self._trouble.note_failure(reason, after=PATIENCE_SECONDS):
            logger.warning(
                "cannot receive from broker %s: %s; runs in progress continue, and the worker "
                "connects again as soon as it can",
                self._address,
                reason,
            )

    def note_unwatched(self, error: BaseException) -> None:
        """Take note that a monitor has lost its connection, or does not get one."""
        reason = describe_failure(error)
        if self._trouble.note_failure(reason):
            logger.warning(
                "cannot watch broker %s: %s; nothing new is shown until it can be used again",
                self._address,
                reason,
            )

    def note_success(self) -> None:
        """Take note that it has been used."""
        if (seconds := self._trouble.note_success()) is not None:
            logger.warning("broker %s can be used again, after %.0f s", self._address, seconds)
