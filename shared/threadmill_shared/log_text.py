"""Numbers of things, as they are said."""

from __future__ import annotations


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 run`, `2 runs`; `many` where the plural is not made with an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"
