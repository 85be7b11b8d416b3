"""What a blocked event loop is doing: which tool blocks it, and where."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import dropwhile
from typing import Any

from threadmill_shared.log_text import about
from threadmill_shared.tools.call_context import call_fields
from threadmill_shared.tools.runner import ToolRunner
from threadmill_shared.tools.user_traceback import Place, format_frames, is_ours
from threadmill_workers.event_loop import EventLoopThread

_PLUMBING = frozenset({"asyncio", "concurrent", "threading", "uvloop"})
_MOST_NAMED = 3


@dataclass(frozen=True)
class LoopBlock:
    """What blocks an event loop, as far as another thread can see it."""

    what: str
    """Part of a sentence: names the tool."""
    fields: Mapping[str, Any]
    """The `extra` of the log line: the tool's run, and the stack of the loop's thread."""


def find_block(loop: EventLoopThread, runner: ToolRunner) -> LoopBlock:
    """Look at what a loop is doing at this moment, from another thread."""
    stack = "\n".join(["Stack of the event loop's thread (most recent call last):", *_shown(loop)])
    found = runner.call_on_loop(loop.loop)
    if found is None:
        names = runner.names_on_loop()[:_MOST_NAMED]
        in_progress = f"; async tools in progress: {', '.join(names)}" if names else ""
        what = f"see the stack for what blocks it{in_progress}"
        return LoopBlock(what, about(traceback=stack))
    name, call = found
    what = f"tool {name} blocks it in call {call.call_id} of {call.run_id}"
    return LoopBlock(what, call_fields(call, traceback=stack))


def _shown(loop: EventLoopThread) -> list[str]:
    """The frames of users' code, or all of them if there are none."""
    frame = loop.frame()
    places = list(traceback.walk_stack(frame))[::-1] if frame is not None else []
    users = list(dropwhile(_is_plumbing, places))
    every = traceback.StackSummary.extract(iter(places)).format()
    return format_frames(users) or "".join(every).splitlines()


def _is_plumbing(place: Place) -> bool:
    frame, _ = place
    return is_ours(frame) or str(frame.f_globals.get("__name__")).partition(".")[0] in _PLUMBING
