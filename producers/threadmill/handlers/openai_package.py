"""Handlers derived from the openai package's classes; imported only if there is one."""

from __future__ import annotations

from typing import Any, get_args

from openai.lib.streaming import AssistantEventHandler, AsyncAssistantEventHandler
from openai.types.beta import AssistantStreamEvent
from openai.types.beta.threads import Message, Text
from openai.types.beta.threads.runs import RunStep

from threadmill.handlers.base import Listener
from threadmill.handlers.growing_object import GrowingObject
from threadmill_shared.events.decoder import Event

_EVENTS: dict[str, Any] = {
    get_args(kind.model_fields["event"].annotation)[0]: kind
    for kind in get_args(get_args(AssistantStreamEvent)[0])
}
"""The package's classes of events, by name."""
_DELTA = "thread.message.delta"


class PackageObjectFactory:
    """Makes the package's objects, for handlers that get the Assistants API's events.

    They are created as the package creates them from a stream: other fields are not rejected.
    """

    def __init__(self) -> None:
        self._delta = GrowingObject(lambda fields: _EVENTS[_DELTA].construct(**fields))
        self._message = GrowingObject(lambda fields: Message.construct(**fields))
        self._text = GrowingObject(lambda fields: Text.construct(**fields))

    def takes(self, event: Event) -> bool:
        """Whether the package has an event of this name."""
        return event.event in _EVENTS

    def event(self, event: Event) -> Any:
        """The event for `on_event`."""
        if event.event == _DELTA:
            return self._delta.made({"event": event.event, "data": event.data})
        return _EVENTS[event.event].construct(event=event.event, data=event.data)

    def data(self, event: Any) -> Any:
        """What an event that `event` made is about."""
        return event.data

    def message(self, fields: dict[str, Any]) -> Any:
        """A message."""
        return self._message.made(fields)

    def text(self, fields: dict[str, Any]) -> Any:
        """A text of a message."""
        return self._text.made(fields)

    def step(self, fields: dict[str, Any]) -> Any:
        """A step."""
        return RunStep.construct(**fields)


class _PackageListener(Listener):
    """Answers what the package's handlers answer from the stream that they read themselves."""

    def _checked_final(self, found: Any, name: str) -> Any:
        # They wait for the end; a hook that waited would hold it up.
        if self.__dispatcher__ is None or not self.__dispatcher__.has_ended:
            raise RuntimeError("The run has not ended. Ask after `say`, or in `on_end`.")
        if not found:
            raise RuntimeError(f"The run has no {name}.")
        return found

    def _final_run(self) -> Any:
        return self._checked_final(self.current_run, "final object")

    def _final_steps(self) -> Any:
        return self._checked_final(self.__dispatcher__ and self.__dispatcher__.steps(), "steps")

    def _final_messages(self) -> Any:
        return self._checked_final(
            self.__dispatcher__ and self.__dispatcher__.messages(), "messages"
        )


class _Sync(_PackageListener):
    def until_done(self) -> None:
        self._checked_final(self.current_run, "final object")

    def close(self) -> None:
        """There is no response to close."""

    def get_final_run(self) -> Any:
        return self._final_run()

    def get_final_run_steps(self) -> Any:
        return self._final_steps()

    def get_final_messages(self) -> Any:
        return self._final_messages()


class _Async(_PackageListener):
    async def until_done(self) -> None:
        self._checked_final(self.current_run, "final object")

    async def close(self) -> None:
        """There is no response to close."""

    async def get_final_run(self) -> Any:
        return self._final_run()

    async def get_final_run_steps(self) -> Any:
        return self._final_steps()

    async def get_final_messages(self) -> Any:
        return self._final_messages()


def base_of(handler_class: type[Any]) -> type[Any] | None:
    """Which of the package's two classes it is derived from; None: from neither."""
    for base in (AsyncAssistantEventHandler, AssistantEventHandler):
        if issubclass(handler_class, base):
            return base
    return None


def adapted_class(handler_class: type[Any], base: type[Any]) -> type[Any]:
    """The user's class, with answers from our events in place of the package's from its stream."""
    answers: type[Any] = _Async if base is AsyncAssistantEventHandler else _Sync
    names = {"__module__": handler_class.__module__, "__qualname__": handler_class.__qualname__}
    return type(handler_class.__name__, (answers, handler_class), names)
