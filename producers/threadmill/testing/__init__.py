"""What tests of assistants need: a stand-in for the model provider, and a scripted model.

The pytest fixtures that come with them are in `threadmill.testing.fixtures`.

Names are loaded when they are first used, because pytest imports this package at every start: a
project that does not use it pays nothing, and needs none of what the stand-in needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadmill.testing.scripted_model import ScriptedModel
    from threadmill.testing.standin import (
        Answer,
        Brain,
        Call,
        Code,
        Fault,
        Found,
        Pause,
        Reasoning,
        Record,
        Reply,
        Request,
        Search,
        StandIn,
        Text,
        WebQuery,
        WebSource,
        by_text,
        converse,
        scripted,
    )
    from threadmill_shared.model import TextDelta, ToolCalled, TurnEnded

__all__ = [
    "Answer",
    "Brain",
    "Call",
    "Code",
    "Fault",
    "Found",
    "Pause",
    "Reasoning",
    "Record",
    "Reply",
    "Request",
    "ScriptedModel",
    "Search",
    "StandIn",
    "Text",
    "TextDelta",
    "ToolCalled",
    "TurnEnded",
    "WebQuery",
    "WebSource",
    "by_text",
    "converse",
    "scripted",
]

_HOMES = {
    "ScriptedModel": "threadmill.testing.scripted_model",
    "TextDelta": "threadmill_shared.model",
    "ToolCalled": "threadmill_shared.model",
    "TurnEnded": "threadmill_shared.model",
}
"""Modules of the names that are not the stand-in's."""


if not TYPE_CHECKING:  # a type checker that saw this would take every name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES.get(name, f"{__name__}.standin")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
