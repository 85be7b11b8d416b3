"""Doing something for each of many; one that fails must not keep the others from their turn."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

logger = logging.getLogger("threadmill.worker")


async def each(items: Iterable[T], act: Callable[[T], Awaitable[None]], what: str) -> None:
    """Do it for one after the other; `what` says in the log what could not be done for which."""
    for item in items:
        try:
            await act(item)
        except Exception as error:  # noqa: BLE001  a record that a later version wrote, for example
            logger.error("could not %s %s: %s", what, item, type(error).__name__)
