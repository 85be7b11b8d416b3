"""The end of a script with an embedded worker: its memory is left to the operating system.

Python ends by looking twice at all objects, and by freeing one after the other those that are part
of a cycle, as all functions and classes are. With the packages of a worker this takes as long as
everything else after the script's last line. Frozen objects are left alone.

What could be lost are the effects of finalizers: a file that is flushed, a `__del__`, the `finally`
of a generator. So nothing is frozen if an object of the user's is there that has one. This is
decided when Python collects garbage after all `atexit` handlers, since they may open files, too.
Objects that are not part of a cycle end as ever.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import sys
from collections.abc import Sequence
from itertools import compress
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

_OF_WORKERS = frozenset(
    {
        *("threadmill", "threadmill_shared", "threadmill_workers", "redis", "kombu", "celery"),
        *("openai", "aiohttp", "httpx2", "asyncio", "_asyncio", "uvloop", "socket", "_socket"),
    }
)
"""Packages whose finalizers only close connections, and warn: the end of the process does that."""
_STREAMS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom, io.BufferedRWPair)
_FRAMES = {GeneratorType: "gi_frame", CoroutineType: "cr_frame", AsyncGeneratorType: "ag_frame"}
_HARMLESS = (io.FileIO, io.BufferedReader, io.BytesIO, io.StringIO)
"""They hold nothing that is still to be written."""


def arrange() -> None:
    """Have this process end without freeing its objects, if it can."""
    atexit.unregister(_await_last_collection)  # after a fork it is there already
    atexit.register(_await_last_collection)


def _await_last_collection() -> None:
    gc.callbacks.append(_leave_objects)


def _leave_objects(phase: str, info: dict[str, int]) -> None:
    if phase != "start" or info["generation"] < 2:
        return
    with contextlib.suppress(Exception):  # by classes of the user's that cannot be looked at
        if not has_finalizers(gc.get_objects()):
            gc.freeze()


def has_finalizers(objects: Sequence[object]) -> bool:
    """Whether one of these objects may do something at its end that must not be left out."""
    kinds = set(map(type, objects))
    if any(_is_foreign(kind) for kind in kinds if hasattr(kind, "__del__")):
        return True
    looked_at = {kind for kind in kinds if kind in _FRAMES or kind in _STREAMS}
    found = compress(objects, map(looked_at.__contains__, map(type, objects)))
    return any(map(_has_something_to_do, found))


def _is_foreign(kind: type) -> bool:
    if kind in _FRAMES or kind in _STREAMS or kind in _HARMLESS:
        return False
    return not _is_of_workers(kind.__module__)


def _is_of_workers(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in _OF_WORKERS


def _has_something_to_do(found: Any) -> bool:
    if type(found) in _FRAMES:
        frame = getattr(found, _FRAMES[type(found)])
        return frame is not None and not _is_of_workers(frame.f_globals.get("__name__"))
    try:
        return not found.closed and found.writable() and not _is_standard(found)
    except ValueError:  # it is detached
        return False


def _is_standard(found: Any) -> bool:
    """Whether it is part of a standard stream, which Python itself flushes."""
    streams = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return any(found is one or found is getattr(one, "buffer", None) for one in streams)
