"""What is shown: a card for each message, and one for the calls of a step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from threadmill.printing.wording import cleaned, incomplete_note
from threadmill_shared.objects import Message, Step

NOT_FINISHED = "not finished"
"""The note of a card whose making nobody watches any more."""


@dataclass(eq=False)
class Speech:
    """A message, said or being said."""

    speaker: str
    at: int | None = None
    """Seconds since the epoch."""
    parts: list[str] = field(default_factory=list)
    """Its text in pieces, as they came."""
    is_user: bool = False
    note: str = ""
    """What became of it, where that needs a word: `abandoned`."""

    @property
    def text(self) -> str:
        """The whole text, harmless to a terminal."""
        return cleaned("".join(self.parts))

    @classmethod
    def of(cls, message: Message) -> Speech:
        """The card of a stored message."""
        is_user = message.role == "user"
        return cls(
            speaker="User" if is_user else message.assistant_name or "Assistant",
            at=message.created_at,
            parts=[message.text],
            is_user=is_user,
            note=""
            if message.status == "completed"
            else incomplete_note(message.incomplete_reason),
        )


@dataclass(eq=False)
class Call:
    """One call of a tool."""

    name: str
    arguments: str
    """JSON, as the model wrote it."""
    output: str | None = None
    error: str = ""
    """The error's name, where the call failed; a stored call knows only that it did."""
    waits_for: str = ""
    """What somebody must do before it is over, while that is so."""

    @property
    def is_over(self) -> bool:
        """Whether it is known what came of it."""
        return self.output is not None or bool(self.error)


@dataclass(eq=False)
class Calls:
    """The calls of one step."""

    at: int | None = None
    """Seconds since the epoch."""
    calls: dict[str, Call] = field(default_factory=dict)
    """By the id of the call, in the model's order."""
    note: str = ""
    """How the step ended, where it was not completed."""

    def add(self, made: Any) -> None:
        """Add what a step's delta tells of one call."""
        function = made["function"]
        if made["index"] >= len(self.calls):
            self.calls[made["id"]] = Call(function["name"], "")
        call = list(self.calls.values())[made["index"]]
        call.arguments += function.get("arguments") or ""
        if function.get("output") is not None:
            call.output, call.waits_for = function["output"], ""

    @classmethod
    def of(cls, step: Step) -> Calls:
        """The card of a stored step."""
        calls = {
            call.id: Call(
                call.name, call.arguments, call.output, error="failed" if call.failed else ""
            )
            for call in step.tool_calls
        }
        note = "" if step.status in ("completed", "in_progress") else step.status
        return cls(at=step.created_at, calls=calls, note=note)


Card = Speech | Calls
