"""A stand-in for a model provider: real HTTP, both APIs of OpenAI, answers that a test decides."""

from threadmill.testing.standin.brain import Brain, by_text, scripted
from threadmill.testing.standin.conversation import Request
from threadmill.testing.standin.default_brain import converse
from threadmill.testing.standin.faults import Answer, Fault
from threadmill.testing.standin.records import Record
from threadmill.testing.standin.replies import (
    Call,
    Code,
    Found,
    Pause,
    Reasoning,
    Reply,
    Search,
    Text,
    WebQuery,
    WebSource,
)
from threadmill.testing.standin.stand_in import StandIn

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
    "Search",
    "StandIn",
    "Text",
    "WebQuery",
    "WebSource",
    "by_text",
    "converse",
    "scripted",
]
