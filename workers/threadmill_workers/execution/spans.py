"""Spans of a thread's items: pairs of the first and the last position; the first item has 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Span = tuple[int, int]

_MOST = 50
"""Spans that are kept of one thing, so that what is noted of a thread stays small."""


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The spans in order, those that touch as one; of too many, the oldest become one, too."""
    made: list[Span] = []
    for first, last in sorted(spans):
        if made and first <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(last, made[-1][1]))
        elif first <= last:
            made.append((first, last))
    if len(made) > _MOST:
        made = [(made[0][0], made[-_MOST][1]), *made[1 - _MOST :]]
    return tuple(made)


def is_within(position: int, spans: Sequence[Span]) -> bool:
    """Whether one of the spans has the position."""
    return any(first <= position <= last for first, last in spans)


def up_to(last: int, spans: Iterable[Span]) -> tuple[Span, ...]:
    """The spans without what lies behind a position."""
    return joined((first, min(end, last)) for first, end in spans)
