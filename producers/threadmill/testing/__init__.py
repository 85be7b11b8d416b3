"""What tests of assistants need: a stand-in for the model provider, and a scripted model.

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
        Fault,
        Reasoning,
        Record,
        Reply,
        Request,
        StandIn,
        Text,
        by_text,
        converse,
        scripted,
    )

__all__ = [
    "Answer",
    "Brain",
    "Call",
    "Fault",
    "Reasoning",
    "Record",
    "Reply",
    "Request",
    "ScriptedModel",
    "StandIn",
    "Text",
    "by_text",
    "converse",
    "scripted",
]


if not TYPE_CHECKING:  # a type checker that saw this would take every name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = "scripted_model" if name == "ScriptedModel" else "standin"
        return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
