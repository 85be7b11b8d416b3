"""Errors as a caller sees them: below them no frames of ours, and no other library's error."""

from __future__ import annotations

import sysconfig
import traceback
from types import FrameType
from typing import TypeVar

from threadmill_shared.errors import ThreadmillError
from threadmill_shared.tools.user_traceback import is_ours

E = TypeVar("E", bound=ThreadmillError)

_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})


def without_our_frames(error: E) -> E:
    """The error, to be raised again where the caller has called.

    Its words say what is wrong and what to do; sixty lines that lead to them would hide them. What
    led to it remains its `__context__`. If code of the caller's was called in between, such as a
    handler, the error is left as it is.
    """
    if any(_is_callers(frame) for frame, _ in traceback.walk_tb(error.__traceback__)):
        return error
    error.__context__ = error.__cause__ or error.__context__
    error.__cause__ = None  # suppresses the context, too
    return error.with_traceback(None)


def _is_callers(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return not is_ours(frame) and not file.startswith((*_LIBRARIES, "<"))
