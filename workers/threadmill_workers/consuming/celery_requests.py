"""How Celery sees our messages: what it may show of them, and what it owes the broker."""

from __future__ import annotations

import re
from typing import Any

from celery.worker.request import Request

HIDDEN = "(hidden)"

_REFUSED = re.compile(r"'refused: (\w+)'")
"""What a task has returned that refused its arguments, as Celery prints it."""
_ONE_ID = re.compile(r"[(\[]'run_[0-9a-f]{32}',?[)\]]")
"""The arguments of our own run messages, as Celery prints them."""


def refusal(error: Exception) -> str:
    """Return what a task that refuses its arguments returns; monitors see that it failed.

    To raise the error would have Celery log it, and with it what was sent.
    """
    return f"refused: {type(error).__name__}"


class RedactedRequest(Request):
    """A message whose arguments no event, log or traceback shows.

    The representation comes with the message, made by whoever sent it; it holds the user's text.
    """

    def __init__(self, message: Any, *args: Any, **options: Any) -> None:
        super().__init__(message, *args, **options)
        if not self.may_be_shown():
            self._argsrepr = self._kwargsrepr = HIDDEN
            self._request_dict.update(argsrepr=HIDDEN, kwargsrepr=HIDDEN)

    def may_be_shown(self) -> bool:
        """Whether the arguments hold no text."""
        return False

    def send_event(self, type: str, **fields: Any) -> None:
        """Tell monitors of the task; one that was refused has failed."""
        if (found := _REFUSED.fullmatch(str(fields.get("result")))) is not None:
            type, fields = "task-failed", {"exception": f"{found[1]}('refused')", "traceback": ""}
        super().send_event(type, **fields)

    def info(self, safe: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002, ARG002
        """What remote control shows; never the arguments themselves."""
        shown: dict[str, Any] = super().info(safe=True)
        return shown


class RunMessage(RedactedRequest):
    """A message that carries a run's id, which is shown, and nothing else is."""

    def may_be_shown(self) -> bool:
        """Whether the arguments are a run's id."""
        return bool(_ONE_ID.fullmatch(str(self.argsrepr))) and self.kwargsrepr == "{}"

    def acknowledge(self) -> None:
        """Do nothing: the broker keeps no record of a run message once it is delivered."""
        self.acknowledged = True
