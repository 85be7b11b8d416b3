"""The base class of handlers."""

from __future__ import annotations

import logging
import warnings
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import threadmill
from threadmill_shared import errors

if TYPE_CHECKING:
    from threadmill.handlers.dispatcher import Dispatcher

logger = logging.getLogger("threadmill")

_ALIKE = 0.85
"""From 0 to 1: how similar a name must be to a hook's to count as a misspelling of it."""


class Listener:
    """What a handler can ask, inside a hook or later, about the run that it follows."""

    __dispatcher__: Dispatcher | None = None
    """None before the run's first event."""

    @property
    def current_event(self) -> Any:
        """The event that the hook is called for; None outside of hooks."""
        return self.__dispatcher__ and self.__dispatcher__.current_event

    @property
    def current_run(self) -> Any:
        """The run as of its last event."""
        return self.__dispatcher__ and self.__dispatcher__.current_run

    @property
    def current_run_step_snapshot(self) -> Any:
        """The step in progress, with what it has so far; None between steps."""
        return self.__dispatcher__ and self.__dispatcher__.current_step

    @property
    def current_message_snapshot(self) -> Any:
        """The message that is being written, or else the last one, with what it has so far."""
        return self.__dispatcher__ and self.__dispatcher__.current_message


class EventHandler(Listener):
    """Receives a run's events, in order, while `say` waits. Derive from it and override hooks.

    The hooks are those of the openai package's handlers, with `on_begin` and `on_rewound`; their
    objects have the Assistants API's fields as attributes. A hook may be `async def`. An instance
    follows one run. An exception in a hook ends the handler, not the run: `on_exception` and
    `on_end` are called, and `say` raises it once the run has ended, or waits for somebody else.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Warn about a method whose name is almost a hook's: it would never be called."""
        super().__init_subclass__(**kwargs)
        hooks = [name for name in dir(EventHandler) if name.startswith("on_")]
        for name in vars(cls):
            if name.startswith("_") or name in hooks:
                continue
            if near := get_close_matches(name, hooks, 1, _ALIKE):
                warnings.warn(
                    f"{cls.__name__}.{name} is not a hook and is never called; did you mean "
                    f"{near[0]}?",
                    stacklevel=2,
                )

    def on_begin(self, run: threadmill.Run) -> Any:
        """The run was enqueued; its events follow."""

    def on_event(self, event: threadmill.Event) -> Any:
        """One event, before its specific hooks; includes `threadmill.*` and `done`."""

    def on_run_step_created(self, run_step: Any) -> Any:
        """A step has begun: a message is being written, or tools are being called."""

    def on_run_step_delta(self, delta: Any, snapshot: Any) -> Any:
        """Something was added to a step; the snapshot is all of it so far."""

    def on_run_step_done(self, run_step: Any) -> Any:
        """A step has ended; its status says how."""

    def on_tool_call_created(self, tool_call: Any) -> Any:
        """The model has requested a call."""

    def on_tool_call_delta(self, delta: Any, snapshot: Any) -> Any:
        """Something was added to a call, such as its output."""

    def on_tool_call_done(self, tool_call: Any) -> Any:
        """A call is complete; if it has no output, it was not executed to the end."""

    def on_message_created(self, message: Any) -> Any:
        """The assistant begins a message."""

    def on_message_delta(self, delta: Any, snapshot: Any) -> Any:
        """Something was added to a message; the snapshot is all of it so far."""

    def on_message_done(self, message: Any) -> Any:
        """A message has ended: `completed`, or `incomplete` if it was interrupted."""

    def on_text_created(self, text: Any) -> Any:
        """A text begins within a message."""

    def on_text_delta(self, delta: Any, snapshot: Any) -> Any:
        """Something was added to a text: `delta.value`; `snapshot.value` is all of it so far."""

    def on_text_done(self, text: Any) -> Any:
        """A text is complete."""

    def on_image_file_done(self, image_file: Any) -> Any:
        """A message has an image."""

    def on_exception(self, exception: Exception) -> Any:
        """The handler ends early: a hook raised this, the timeout is over, or Redis is gone."""

    def on_timeout(self) -> Any:
        """The caller's `timeout` is over; the run continues. `on_exception` follows."""

    def on_rewound(self, reason: errors.LogRewound) -> Any:
        """A failover lost some events that were handled; all follow again, from the first."""
        logger.warning("%s Following it from the first event.", reason)

    def on_end(self) -> Any:
        """No more events follow: the run or the handler has ended. Called once."""
