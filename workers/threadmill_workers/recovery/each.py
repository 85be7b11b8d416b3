"""Doing something for each of many; one that fails must not keep the others from their turn."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from threadmill_shared.store.connections import is_passing
from threadmill_workers.log_text import describe_error

T = TypeVar("T")

logger = logging.getLogger("threadmill.worker")


async def each(items: Iterable[T], act: Callable[[T], Awaitable[None]], what: str) -> None:
    """Do it for one after the other; `what` says in the log what could not be done for which."""
    for item in items:
        try:
            await act(item)
        except Exception as error:  # noqa: BLE001  a record that a later version wrote, for example
            # Of a Redis that is away, the lease tells; what was to be done is found again.
            level = logging.DEBUG if is_passing(error) else logging.ERROR
            logger.log(level, "could not %s %s: %s", what, item, describe_error(error))
