"""Calls a tool that never returns, so often that a fleet's worker would be replaced."""

import threading

from threadmill import Assistant
from threadmill_shared.tools.threads import LEAST_SPARE


def hang() -> None:
    """Never return."""
    threading.Event().wait()


def greet() -> str:
    """Greet."""
    return "Hello from the tool"


ai = Assistant(name="hanging", tools=[hang, greet])
ai.say("call hang {} " * LEAST_SPARE, event_handler_class=None)
print(ai.say("call greet {}", event_handler_class=None).steps[0].tool_calls[0].output)
