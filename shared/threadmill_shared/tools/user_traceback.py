"""Tracebacks of users' code: without the frames of threadmill, and without what was said."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from itertools import islice
from types import FrameType

_OURS = frozenset({"threadmill", "threadmill_shared", "threadmill_workers", "importlib"})
_MOST_CAUSES = 5
_FIRST_FRAMES, _LAST_FRAMES = 10, 30
"""Of a longer stack, such as that of an endless recursion, so many are shown."""

Place = tuple[FrameType, int]
"""A frame, and the number of the line that it is at."""


def user_traceback(error: BaseException) -> str:
    """Return where an error of users' code was raised, as Python prints it, with the error's class.

    The error's text is left out, since it may quote what a user of theirs has said. Of an error
    that led to it, or is in a group of errors, class and line are named.
    """
    frames = format_frames(traceback.walk_tb(error.__traceback__))
    head = ["Traceback (most recent call last):", *frames] if frames else []
    lines = [*head, type(error).__name__, *_members(error)]
    for cause in _causes(error):
        lines += [f"after {_describe(cause)}", *_members(cause)]
    return "\n".join(lines)


def format_frames(places: Iterable[Place]) -> list[str]:
    """Lines that show these frames, without those of threadmill."""
    shown = [(frame, line) for frame, line in places if not is_ours(frame)]
    left_out = len(shown) - _FIRST_FRAMES - _LAST_FRAMES
    if left_out <= 0:
        return _format(shown)
    more = f"  ... {left_out} more ..."
    return [*_format(shown[:_FIRST_FRAMES]), more, *_format(shown[-_LAST_FRAMES:])]


def _format(places: list[Place]) -> list[str]:
    return "".join(traceback.StackSummary.extract(iter(places)).format()).splitlines()


def is_ours(frame: FrameType) -> bool:
    """Whether the frame is one of threadmill, or of Python's import."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in _OURS


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen = {id(error)}
    while len(seen) <= _MOST_CAUSES:
        hidden = error.__suppress_context__
        cause = error.__cause__ or (None if hidden else error.__context__)
        if cause is None or id(cause) in seen:
            return
        seen.add(id(cause))
        yield cause
        error = cause


def _members(error: BaseException) -> list[str]:
    """Lines that name the errors in a group, such as that of `asyncio.TaskGroup`."""
    if not isinstance(error, BaseExceptionGroup):
        return []
    found = [f"with {_describe(one)}" for one in islice(_leaves(error), _MOST_CAUSES + 1)]
    return found if len(found) <= _MOST_CAUSES else [*found[:_MOST_CAUSES], "with others"]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for one in error.exceptions:
        yield from _leaves(one)


def _describe(cause: BaseException) -> str:
    places = [place for place in traceback.walk_tb(cause.__traceback__) if not is_ours(place[0])]
    at = f" at {places[-1][0].f_code.co_filename}:{places[-1][1]}" if places else ""
    return f"{type(cause).__name__}{at}"
