"""Assistants, threads and runs on your own Celery workers and Redis."""

from threadmill import errors
from threadmill.assistant import Assistant
from threadmill.handlers import EventHandler, PrintHandler
from threadmill.hosted_tools import CodeInterpreter, FileSearch
from threadmill.printing import pprint_messages, pprint_run, pprint_steps
from threadmill.run import Run
from threadmill.thread import Thread
from threadmill_shared.events import Event
from threadmill_shared.objects import Message, Step
from threadmill_shared.tools import ENDRUN_TOKEN, EndRun, current_call, tool

__all__ = [
    "ENDRUN_TOKEN",
    "Assistant",
    "CodeInterpreter",
    "EndRun",
    "Event",
    "EventHandler",
    "FileSearch",
    "Message",
    "PrintHandler",
    "Run",
    "Step",
    "Thread",
    "current_call",
    "errors",
    "pprint_messages",
    "pprint_run",
    "pprint_steps",
    "tool",
]
