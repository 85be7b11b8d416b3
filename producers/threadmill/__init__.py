"""Assistants, threads and runs on your own Celery workers and Redis.

Names are loaded when they are first used: pytest finds this package's fixtures at every start, and
a command line that prints its help needs no Redis client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadmill import errors
    from threadmill.assistant import Assistant
    from threadmill.file import File
    from threadmill.handlers import EventHandler, PrintHandler
    from threadmill.hosted_tools import CodeInterpreter, FileSearch, WebSearch
    from threadmill.printing import pprint_messages, pprint_run, pprint_steps
    from threadmill.run import Run
    from threadmill.runs.options import Job
    from threadmill.thread import Thread
    from threadmill_shared.events.decoder import Event
    from threadmill_shared.instructions.plain_text import PlainText
    from threadmill_shared.instructions.templates import Template
    from threadmill_shared.records.objects import Message, Step
    from threadmill_shared.records.page import Page
    from threadmill_shared.tools import ENDRUN_TOKEN, EndRun, current_call, tool

__all__ = [
    "ENDRUN_TOKEN",
    "Assistant",
    "CodeInterpreter",
    "EndRun",
    "Event",
    "EventHandler",
    "File",
    "FileSearch",
    "Job",
    "Message",
    "Page",
    "PlainText",
    "PrintHandler",
    "Run",
    "Step",
    "Template",
    "Thread",
    "WebSearch",
    "current_call",
    "errors",
    "pprint_messages",
    "pprint_run",
    "pprint_steps",
    "tool",
]

_HOMES = {
    "ENDRUN_TOKEN": "threadmill_shared.tools.output",
    "Assistant": "threadmill.assistant",
    "CodeInterpreter": "threadmill.hosted_tools",
    "EndRun": "threadmill_shared.tools.output",
    "Event": "threadmill_shared.events.decoder",
    "EventHandler": "threadmill.handlers.base",
    "File": "threadmill.file",
    "FileSearch": "threadmill.hosted_tools",
    "Job": "threadmill.runs.options",
    "Message": "threadmill_shared.records.objects",
    "Page": "threadmill_shared.records.page",
    "PlainText": "threadmill_shared.instructions.plain_text",
    "PrintHandler": "threadmill.handlers.printing",
    "Run": "threadmill.run",
    "Step": "threadmill_shared.records.objects",
    "Template": "threadmill_shared.instructions.templates",
    "Thread": "threadmill.thread",
    "WebSearch": "threadmill.hosted_tools",
    "current_call": "threadmill_shared.tools.call_context",
    "pprint_messages": "threadmill.printing.pretty",
    "pprint_run": "threadmill.printing.pretty",
    "pprint_steps": "threadmill.printing.pretty",
    "tool": "threadmill_shared.tools.decorator",
}


if not TYPE_CHECKING:  # a type checker that saw this would take every name for one of ours
    # As `lazy_names` does it, which pytest would import with the fixtures.
    def __getattr__(name: str) -> Any:
        if name == "errors":
            return import_module("threadmill.errors")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with import_module("threadmill_shared.lazy_imports").many_imports():
            found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
