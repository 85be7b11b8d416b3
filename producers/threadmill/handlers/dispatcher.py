"""Turns a run's events into the calls of a handler's hooks.

The openai package's handlers do that themselves for the stream of one model answer. Fed with a
whole run, they report a call more than once: their current call outlives its step, and a call that
gets its output after another one is mistaken for a new one. So theirs and ours are called from
here, each hook once for each thing that it reports, in the order in which that package calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from threadmill.handlers.object_factory import ObjectFactory
from threadmill.handlers.shown_event import ShownEvent
from threadmill.handlers.snapshots import Json, MessageSnapshot, with_calls
from threadmill_shared.events.decoder import Event

HookCall = tuple[str, tuple[Any, ...]]
"""A hook's name and arguments."""

_STEP_ENDS = ("completed", "failed", "cancelled", "expired")


class Dispatcher:
    """The state of one run for one handler."""

    def __init__(self, objects: ObjectFactory, is_wanted: Callable[[str], bool]) -> None:
        """No event is handled yet.

        Args:
            objects: makes the objects.
            is_wanted: whether the handler does anything in the hook of this name; no snapshot is
                made for the others.
        """
        self._objects = objects
        self._is_wanted = is_wanted
        self._kinds: dict[str, Callable[[Json, ShownEvent], Iterator[HookCall]]] = {
            "thread.message.created": self._message_begins,
            "thread.message.delta": self._message_grows,
            "thread.message.completed": self._message_ends,
            "thread.message.incomplete": self._message_ends,
            "thread.run.step.created": self._step_begins,
            "thread.run.step.delta": self._step_grows,
            **{f"thread.run.step.{status}": self._step_ends for status in _STEP_ENDS},
        }
        self.local_tools: frozenset[str] = frozenset()
        """Names of the tools whose calls this process executes while it follows the run."""
        self.has_ended = False
        """Whether all events are handled."""
        self.reset()

    def reset(self) -> None:
        """Forget everything; the run's events come again from the first."""
        self._shown: ShownEvent | None = None
        self.current_run: Any = None
        self._messages: dict[str, MessageSnapshot] = {}
        self._message: MessageSnapshot | None = None
        self._part: int | None = None
        """The part of the message that is being written; those before it are done."""
        self._steps: dict[str, Json] = {}
        self._step: str | None = None
        self._calls: set[int] = set()
        """The calls of the step that were reported."""

    # ---- what a handler may ask ------------------------------------------------------------------

    @property
    def current_event(self) -> Any:
        """The event whose hooks are called; None outside of hooks."""
        return self._shown and self._shown.event

    @property
    def current_step(self) -> Any:
        """The step that is under way; None between steps."""
        return None if self._step is None else self._objects.step(self._steps[self._step])

    @property
    def current_message(self) -> Any:
        """The message that is being written, or the last one; None before the first one."""
        return None if self._message is None else self._objects.message(self._message.fields())

    def messages(self) -> list[Any]:
        """All messages so far."""
        return [self._objects.message(message.fields()) for message in self._messages.values()]

    def steps(self) -> list[Any]:
        """All steps so far."""
        return [self._objects.step(step) for step in self._steps.values()]

    # ---- the hooks of an event -------------------------------------------------------------------

    def calls(self, event: Event) -> Iterator[HookCall]:
        """The hooks to be called for an event; each is called before the next one is asked for."""
        if not self._objects.takes(event):
            return
        self._shown = shown = ShownEvent(self._objects, event)
        try:
            if self._wants("on_event"):
                yield "on_event", (shown.event,)
            kind = self._kinds.get(event.event)
            if kind is not None:
                yield from kind(event.data, shown)
            elif event.event.startswith("thread.run.") and event.data["object"] == "thread.run":
                self.current_run = shown.data
        finally:
            self._shown = None

    def _message_begins(self, fields: Json, shown: ShownEvent) -> Iterator[HookCall]:
        self._message = self._messages[fields["id"]] = MessageSnapshot(fields)
        self._part = None
        yield "on_message_created", (shown.data,)

    def _message_grows(self, fields: Json, shown: ShownEvent) -> Iterator[HookCall]:
        message = self._message
        if message is None:
            return
        for at, part in enumerate(fields["delta"]["content"]):
            is_new = part["index"] != self._part
            if is_new:
                yield from self._part_ends()
                self._part = part["index"]
            message.add(part)
            if part["type"] == "text" and self._wants("on_text_created", "on_text_delta"):
                text = self._objects.text(message.fields()["content"][part["index"]]["text"])
                if is_new:
                    yield "on_text_created", (text,)
                yield "on_text_delta", (shown.data.delta.content[at].text, text)
        if self._wants("on_message_delta"):
            yield "on_message_delta", (shown.data.delta, self.current_message)

    def _message_ends(self, fields: Json, shown: ShownEvent) -> Iterator[HookCall]:
        message = shown.data
        self._message = self._messages[fields["id"]] = MessageSnapshot(fields)
        yield from self._part_ends()
        last = -1 if self._part is None else self._part
        for part in message.content[last + 1 :]:
            # A text without a delta never began; an image may come with the whole message only.
            if part.type == "image_file":
                yield "on_image_file_done", (part.image_file,)
        yield "on_message_done", (message,)

    def _part_ends(self) -> Iterator[HookCall]:
        if self._part is None or not self._wants("on_text_done", "on_image_file_done"):
            return
        part = self.current_message.content[self._part]
        if part.type == "text":
            yield "on_text_done", (part.text,)
        elif part.type == "image_file":
            yield "on_image_file_done", (part.image_file,)

    def _step_begins(self, fields: Json, shown: ShownEvent) -> Iterator[HookCall]:
        self._step = fields["id"]
        self._steps[self._step] = fields
        self._calls = set()
        yield "on_run_step_created", (shown.data,)

    def _step_grows(self, fields: Json, shown: ShownEvent) -> Iterator[HookCall]:
        data = shown.data
        added = fields["delta"]["step_details"].get("tool_calls") or ()
        self._steps[fields["id"]] = with_calls(self._steps[fields["id"]], added)
        step = self._objects.step(self._steps[fields["id"]])
        for at, call in enumerate(added):
            index = call["index"]
            snapshot = step.step_details.tool_calls[index]
            if index in self._calls:
                delta = data.delta.step_details.tool_calls[at]
                yield "on_tool_call_delta", (delta, snapshot)
            else:
                self._calls.add(index)
                yield "on_tool_call_created", (snapshot,)
        yield "on_run_step_delta", (data.delta, step)

    def _step_ends(self, fields: Json, shown: ShownEvent) -> Iterator[HookCall]:
        step = shown.data
        # The calls are done now and not at their outputs, which come in any order.
        for index, call in enumerate(getattr(step.step_details, "tool_calls", None) or ()):
            if index not in self._calls:
                yield "on_tool_call_created", (call,)
            yield "on_tool_call_done", (call,)
        self._steps[fields["id"]] = fields
        yield "on_run_step_done", (step,)
        self._step = None

    def _wants(self, *hooks: str) -> bool:
        return any(map(self._is_wanted, hooks))
