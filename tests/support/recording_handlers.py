"""Handlers that note down what they are told, of our base class and of the openai package's."""

from __future__ import annotations

from typing import Any

import openai

from threadmill import EventHandler
from threadmill.client.driving import drive_briefly
from threadmill.handlers.session import HandlerSession, open_session
from threadmill.run import Run
from threadmill_shared.events.decoder import Event

HOOKS = (
    *("on_event", "on_run_step_created", "on_run_step_delta", "on_run_step_done"),
    *("on_tool_call_created", "on_tool_call_delta", "on_tool_call_done"),
    *("on_message_created", "on_message_delta", "on_message_done"),
    *("on_text_created", "on_text_delta", "on_text_done", "on_image_file_done"),
    *("on_exception", "on_timeout", "on_end"),
)
"""What the openai package's handlers have."""

Note = tuple[str, list[Any]]
"""A hook's name, and its arguments as plain JSON."""


def _noting(base: type[Any], *, is_async: bool) -> type[Any]:
    """A class derived from `base` that overrides all hooks; its notes go to the list `notes`."""

    def init(self: Any, notes: list[Note]) -> None:
        base.__init__(self)
        self.notes = notes

    def hook(name: str) -> Any:
        def note(self: Any, *arguments: Any) -> None:
            self.notes.append((name, [plain(one) for one in arguments]))

        async def note_async(self: Any, *arguments: Any) -> None:
            note(self, *arguments)

        return note_async if is_async else note

    return type("Noting", (base,), {"__init__": init, **{name: hook(name) for name in HOOKS}})


Ours: Any = _noting(EventHandler, is_async=False)
OursAsync: Any = _noting(EventHandler, is_async=True)
Theirs: Any = _noting(openai.AssistantEventHandler, is_async=False)
TheirsAsync: Any = _noting(openai.AsyncAssistantEventHandler, is_async=True)
ALL = [Ours, OursAsync, Theirs, TheirsAsync]
NAMES = ["ours", "ours-async", "theirs", "theirs-async"]


def plain(value: Any) -> Any:
    """An argument as JSON, as it was when the hook was called."""
    if isinstance(value, Event):
        return {"event": value.event, "data": value.data}
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return repr(value) if isinstance(value, Exception) else value


class Teller:
    """Stands where a story expects a handler, and tells one through what `say` tells it through."""

    def __init__(self, handler_class: Any, **arguments: Any) -> None:
        session = open_session(handler_class, arguments)
        assert session is not None
        self.session: HandlerSession = session
        self.handler = session._handler

    def on_begin(self, run: Run) -> None:
        drive_briefly(self.session.begin(run))

    def on_event(self, event: Event) -> None:
        drive_briefly(self.session.dispatch([event]))

    def on_end(self) -> None:
        drive_briefly(self.session.end())
