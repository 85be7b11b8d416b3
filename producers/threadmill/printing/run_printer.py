"""A run's events as cards on a display."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from threadmill.printing.cards import NOT_FINISHED, CallsCard, MessageCard
from threadmill.printing.display import Display, open_display
from threadmill.printing.text import (
    STARTED_ANEW,
    incomplete_note,
    notice_of,
    one_line,
    waiting_note,
)
from threadmill.runs.downloads import MadeFile
from threadmill_shared.events.decoder import Event

if TYPE_CHECKING:
    from threadmill.run import Run

_FILE_NAME = 100
"""Characters of a file's name."""
_BAD_ENDS = ("thread.run.failed", "thread.run.expired", "thread.run.incomplete")


class RunPrinter:
    """Prints one run, live; it gets the run's events in order, and never blocks for long."""

    def __init__(
        self, *, print_messages: bool, print_steps: bool, is_local: Callable[[str], bool]
    ) -> None:
        """A printer for one run.

        Args:
            print_messages: whether messages are printed.
            print_steps: whether tool calls are printed.
            is_local: whether this process executes the calls of this name, so that nobody need do
                anything.
        """
        self._print_messages = print_messages
        self._print_steps = print_steps
        self._is_local = is_local
        self._display: Display | None = None
        self._assistant = "Assistant"
        self._message: MessageCard | None = None
        """The message that is being written."""
        self._reason: str | None = None
        """Why it was left incomplete, if it was."""
        self._calls: CallsCard | None = None
        """The calls in progress."""
        self._show: dict[str, Callable[[Any], None]] = {
            "thread.message.created": self._message_begins,
            "thread.message.delta": self._message_grows,
            "thread.message.completed": self._message_completed,
            "thread.message.incomplete": self._message_incomplete,
            "thread.run.step.created": self._step_begins,
            "thread.run.step.delta": self._step_grows,
            "thread.run.step.completed": self._step_ends,
            "thread.run.step.failed": self._step_ends,
            "thread.run.step.cancelled": self._step_ends,
            "thread.run.step.expired": self._step_ends,
            "thread.run.requires_action": self._parked,
            "thread.run.queued": self._resumed,
            "threadmill.tool.failed": self._tool_failed,
        }

    def begin(self, run: Run, *, is_typed: bool = False) -> None:
        """Print the user's message, unless the user typed it, so that it is already visible."""
        self._assistant = run.assistant_name or self._assistant
        if self._print_messages and not is_typed:
            for message in run.messages:
                if message.role == "user":
                    self._on_display().finish(MessageCard.of(message))

    def show(self, event: Event) -> None:
        """Print what the event adds."""
        show = self._show.get(event.event)
        if show is not None:
            show(event.data)
        elif self._print_messages or self._print_steps:
            self._notice(event)

    def restart(self) -> None:
        """Keep what is printed, and print why the run's events come again."""
        self.end()
        if self._print_messages or self._print_steps:
            self._on_display().notice(STARTED_ANEW, is_bad=True)

    def show_file(self, file: MadeFile) -> None:
        """Print a link to a file of a message, or why there is none."""
        if file.path is not None:
            self._on_display().link(file.path)
        else:
            name = one_line(file.name, _FILE_NAME)
            self._on_display().notice(f"{name} {file.problem}", is_bad=True)

    def end(self) -> None:
        """Keep what is printed."""
        self._finish_message(NOT_FINISHED)
        self._finish_calls(NOT_FINISHED)

    def _on_display(self) -> Display:
        if self._display is None:
            self._display = open_display()
        return self._display

    def _notice(self, event: Event) -> None:
        text = notice_of(event.event, event.data)
        if text is not None:
            self._on_display().notice(text, is_bad=event.event in _BAD_ENDS)

    # ---- messages --------------------------------------------------------------------------------

    def _message_begins(self, data: Any) -> None:
        self._finish_message("abandoned")
        if self._print_messages:
            self._message = MessageCard(self._assistant, at=data["created_at"])

    def _message_grows(self, data: Any) -> None:
        message = self._message
        text = "".join(p["text"]["value"] for p in data["delta"]["content"] if p["type"] == "text")
        if message is None or not text:
            return
        message.parts.append(text)
        if len(message.parts) == 1:
            self._on_display().begin(message)
        else:
            self._on_display().update(message)

    def _message_completed(self, data: Any) -> None:  # noqa: ARG002  the deltas had all of it
        self._finish_message("")

    def _message_incomplete(self, data: Any) -> None:
        # The end of its step follows, and says whether the message was abandoned.
        self._reason = data["incomplete_details"]["reason"]

    def _message_step_ends(self, status: str) -> None:
        if self._reason == "run_failed" and status == "cancelled":
            self._finish_message("abandoned")
        else:
            self._finish_message(incomplete_note(self._reason) if self._reason else "")

    def _finish_message(self, note: str) -> None:
        message, self._message, self._reason = self._message, None, None
        if message is not None and message.parts:
            message.note = note
            self._on_display().finish(message)

    # ---- steps -----------------------------------------------------------------------------------

    def _step_begins(self, data: Any) -> None:
        self._finish_calls(NOT_FINISHED)
        if self._print_steps and data["type"] == "tool_calls":
            self._calls = CallsCard(at=data["created_at"])

    def _step_grows(self, data: Any) -> None:
        calls = self._calls
        if calls is None:
            return
        was_empty = not calls.calls
        for made in data["delta"]["step_details"].get("tool_calls", ()):
            calls.add(made)
        if was_empty:
            self._on_display().begin(calls)
        else:
            self._on_display().update(calls)

    def _step_ends(self, data: Any) -> None:
        status = data["status"]
        if data["type"] == "message_creation":
            self._message_step_ends(status)
        else:
            self._finish_calls("" if status == "completed" else status)

    def _tool_failed(self, data: Any) -> None:
        call = self._calls.calls.get(data["call_id"]) if self._calls is not None else None
        if call is not None and self._calls is not None:
            call.error = data["error"] or "error"
            self._on_display().update(self._calls)

    def _parked(self, data: Any) -> None:
        for waiting in data["required_action"]["submit_tool_outputs"]["tool_calls"]:
            name, what = waiting["function"]["name"], waiting["waits_for"]
            if what == "output" and self._is_local(name):
                continue
            note = waiting_note(what, data["id"], waiting["id"])
            call = self._calls.calls.get(waiting["id"]) if self._calls is not None else None
            if call is not None:
                call.waits_for = note
            elif self._print_messages or self._print_steps:
                self._on_display().notice(f"{name} {note}")
        self._update_calls()

    def _resumed(self, data: Any) -> None:  # noqa: ARG002  it says no more than that
        for call in self._calls.calls.values() if self._calls is not None else ():
            call.waits_for = ""
        self._update_calls()

    def _update_calls(self) -> None:
        if self._calls is not None and self._calls.calls:
            self._on_display().update(self._calls)

    def _finish_calls(self, note: str) -> None:
        calls, self._calls = self._calls, None
        if calls is not None and calls.calls:
            calls.end(note)
            self._on_display().finish(calls)
