"""Checks of callers' values: invalid ones are rejected before anything is written or awaited."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from threadmill.runs.options import SayOptions
from threadmill_shared import errors


def check_timeout(timeout: Any) -> None:
    """Reject anything but a number of seconds.

    Raises:
        TypeError: it is neither a number nor None.
    """
    is_number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if timeout is not None and not is_number:
        raise TypeError(
            "timeout must be a number of seconds or None, "
            f"not {type(timeout).__name__} {timeout!r}."
        )


def check_limit(limit: Any) -> None:
    """Reject anything but the size of a page.

    Raises:
        TypeError: it is not an int.
        ValueError: it is not 1 to 100.
    """
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise TypeError(f"limit must be an int, not {type(limit).__name__}.")
    if not 1 <= limit <= 100:
        raise ValueError(f"limit must be 1 to 100, not {limit}.")


def check_order(order: Any) -> None:
    """Reject anything but the order of a page.

    Raises:
        ValueError: it is neither `asc` nor `desc`.
    """
    if order not in ("asc", "desc"):
        raise ValueError(f"order must be 'asc' or 'desc', not {order!r}.")


def check_after(after: Any) -> None:
    """Reject anything but the number of an event.

    Raises:
        TypeError: it is not an int.
        ValueError: it is negative.
    """
    if not isinstance(after, int) or isinstance(after, bool):
        raise TypeError(
            f"after must be the number of an event (an int), not {type(after).__name__}."
        )
    if after < 0:
        raise ValueError(f"after must be the number of an event, 0 or more, not {after}.")


def check_message_given(message: Any) -> None:
    """Refuse a `say` without a message.

    Raises:
        BadMessage: it is None.
    """
    if message is None:
        raise errors.BadMessage("The message is missing. To run a thread as it is, use thread.run.")


def unknown_field(name: str, known: Iterable[str]) -> str:
    """What an assistant's constructor says about a name that is not a field's."""
    if name in SayOptions.__annotations__:
        return (
            f"{name!r} is a run option, not a field of an assistant. "
            f"Pass it to the run: say(..., {name}=...)."
        )
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{name!r} is not a field of an assistant.{hint} Known fields: {', '.join(known)}."
