"""How commands write times, durations and texts of others."""

from __future__ import annotations

import re
from datetime import datetime

NONE = "-"
"""In place of what is not known, or is not there."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
"""Characters that would control the terminal, or turn the direction of what follows."""


def shown_text(text: str) -> str:
    """A text of somebody else's in one line, without what would control the terminal."""
    return _CONTROL.sub(" ", text).strip()


def local_time(seconds: float | None) -> str:
    """A time of day, with its date if that is not today's."""
    if not seconds:
        return NONE
    then = datetime.fromtimestamp(seconds).astimezone()
    is_today = then.date() == datetime.now().astimezone().date()
    return then.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M")


def short_time(seconds: float | None) -> str:
    """A time of day to the minute, or only the date if that is not today's."""
    if not seconds:
        return NONE
    then = datetime.fromtimestamp(seconds).astimezone()
    is_today = then.date() == datetime.now().astimezone().date()
    return then.strftime("%H:%M" if is_today else "%m-%d")


def time_of_day(seconds: float | None) -> str:
    """A time of day to the millisecond; with its date if that is not today's."""
    if not seconds:
        return NONE
    then = datetime.fromtimestamp(seconds).astimezone()
    is_today = then.date() == datetime.now().astimezone().date()
    text = then.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S")
    return f"{text}.{then.microsecond // 1000:03d}"


def duration(seconds: float | None) -> str:
    """A duration in at most two units: `0.42 s`, `12 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`."""
    if seconds is None:
        return NONE
    if seconds < 9.95:
        return f"{max(seconds, 0):.2g} s"
    whole = round(seconds)
    for size, unit, smaller, name in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min")):
        if whole >= size:
            return _two(whole // size, unit, whole % size // smaller, name)
    return _two(whole // 60, "min", whole % 60, "s") if whole >= 60 else f"{whole} s"


def short_duration(seconds: float | None) -> str:
    """The same in fewer letters: `12s`, `3m5s`, `2h10m`."""
    return duration(seconds).replace("min", "m").replace(" ", "")


def _two(number: int, unit: str, smaller: int, name: str) -> str:
    return f"{number} {unit} {smaller} {name}" if smaller else f"{number} {unit}"
