"""Points in time, as users type them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import click

C = TypeVar("C", bound=Callable[..., None])

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)")
_EPOCH = re.compile(r"\d{9,11}(?:\.\d+)?")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parsed_moment(text: str) -> float:
    """The time in seconds since the epoch of `90s`, `15m`, `2h`, `3d` or `1w` ago, or of a date.

    Seconds since the epoch, as `--json` prints them, stay what they are.

    Raises:
        BadParameter: it is not such a time.
    """
    if ago := _AGO.fullmatch(text.strip()):
        return time.time() - float(ago[1]) * _SECONDS[ago[2]]
    if _EPOCH.fullmatch(text.strip()):
        return float(text)
    try:
        return datetime.fromisoformat(text.strip()).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is not a time: give how long ago (90s, 15m, 2h, 3d), or a date such as"
            " 2026-01-31 or 2026-01-31T12:30."
        ) from None


def since_option(help: str) -> Callable[[C], C]:
    """The option --since of a list."""
    return click.option("--since", type=parsed_moment, metavar="TIME", help=help)


def until_option(help: str) -> Callable[[C], C]:
    """The option --until of a list."""
    return click.option("--until", type=parsed_moment, metavar="TIME", help=help)
