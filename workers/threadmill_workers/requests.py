"""How Celery sees our messages: what it may show of them, and what happens when one is done."""

from __future__ import annotations

from typing import Any

from celery.worker.request import Request

from threadmill_workers.consumer import RunConsumer

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
    """A message that carries a run's id. When its slot frees, a full consumer is woken.

    The consumer takes no message that it cannot start. Without the wake it would notice a free slot
    only when something else happens on its connection.
    """

    def on_success(self, *args: Any, **options: Any) -> Any:
        """Free the slot, and look for the next message."""
        result = super().on_success(*args, **options)
        _wake_consumer()
        return result

    def on_failure(self, *args: Any, **options: Any) -> Any:
        """Free the slot, and look for the next message."""
        result = super().on_failure(*args, **options)
        _wake_consumer()
        return result


_consumers: list[RunConsumer] = []


def watch(consumer: RunConsumer) -> None:
    """Name this process's consumer."""
    _consumers[:] = [consumer]


def _wake_consumer() -> None:
    for consumer in _consumers:
        consumer.wake_if_full()
