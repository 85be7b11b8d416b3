"""How Celery sees our messages: what it may show of them, and what it owes the broker."""

from __future__ import annotations

from typing import Any

from celery.worker.request import Request

HIDDEN = "(hidden)"


class PrivateRequest(Request):
    """A message whose arguments no event, log or traceback shows.

    The representation comes with the message, made by whoever sent it; it holds the user's text.
    """

    def __init__(self, message: Any, *args: Any, **options: Any) -> None:
        super().__init__(message, *args, **options)
        self._argsrepr = self._kwargsrepr = HIDDEN
        self._request_dict.update(argsrepr=HIDDEN, kwargsrepr=HIDDEN)

    def info(self, safe: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002, ARG002
        """What remote control shows; never the arguments."""
        shown: dict[str, Any] = super().info(safe=True)
        return shown


class RunRequest(Request):
    """A message that carries a run's id."""

    def acknowledge(self) -> None:
        """Do nothing: the broker keeps no record of a run message once it is delivered."""
        self.acknowledged = True
