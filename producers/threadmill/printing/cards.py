"""What is shown: a card for each message, and one for the calls of a step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from threadmill.printing.text import cleaned, files_note, incomplete_note
from threadmill_shared.records.objects import Message, Step

NOT_FINISHED = "not finished"
"""The note of a card that nobody updates any more."""


@dataclass(eq=False)
class MessageCard:
    """A message, complete or being written."""

    speaker: str
    at: int | None = None
    """Seconds since the epoch."""
    parts: list[str] = field(default_factory=list)
    """Its text in pieces, as they arrived."""
    is_user: bool = False
    note: str = ""
    """Its outcome, if that needs a word: `abandoned`."""
    files: str = ""
    """Names of the files that go with it."""

    @property
    def text(self) -> str:
        """The whole text, harmless to a terminal."""
        return cleaned("".join(self.parts))

    @classmethod
    def of(cls, message: Message) -> MessageCard:
        """The card of a stored message."""
        is_user = message.role == "user"
        return cls(
            speaker="User" if is_user else message.assistant_name or "Assistant",
            at=message.created_at,
            parts=[message.text],
            is_user=is_user,
            files=files_note(message.attachments, _unnamed_images(message)),
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
    logs: str = ""
    """The output of the provider's tool so far, before its outcome is known."""
    error: str = ""
    """The error's name, if the call failed; a stored call has only the fact."""
    kind: str = "function"
    """`code_interpreter`, `file_search` and `web_search` are the provider's."""
    waits_for: str = ""
    """What it waits for, as long as it waits for somebody."""

    @property
    def is_over(self) -> bool:
        """Whether its outcome is known."""
        return self.output is not None or bool(self.error)


@dataclass(eq=False)
class CallsCard:
    """The calls of one step."""

    at: int | None = None
    """Seconds since the epoch."""
    calls: dict[str, Call] = field(default_factory=dict)
    """By call id, in the model's order."""
    note: str = ""
    """How the step ended, if it was not completed."""

    def add(self, made: Any) -> None:
        """Add a step's delta of one call."""
        if made["type"] != "function":
            self._add_hosted(made)
            return
        function = made["function"]
        if made["index"] >= len(self.calls):
            self.calls[made["id"]] = Call(function["name"], "")
        call = list(self.calls.values())[made["index"]]
        call.arguments += function.get("arguments") or ""
        if function.get("output") is not None:
            call.output, call.waits_for = function["output"], ""

    def _add_hosted(self, made: Any) -> None:
        kind = made["type"]
        details = made[kind]
        if "id" in made:
            self.calls[made["id"]] = Call(kind, "", kind=kind)
        call = list(self.calls.values())[made["index"]]
        if kind == "code_interpreter":
            call.arguments += details.get("input") or ""
            logs = [one["logs"] for one in details.get("outputs") or () if one["type"] == "logs"]
            call.logs += "".join(logs)
        elif "sources" in details:
            call.arguments = details.get("url") or ", ".join(details.get("queries", ()))
            call.logs = "\n".join(details["sources"])
        elif "results" in details:
            call.arguments = ", ".join(details.get("queries", ()))
            call.logs = "\n".join(one["file_name"] for one in details["results"])

    def end(self, note: str) -> None:
        """The step has ended."""
        self.note = note
        for call in self.calls.values():
            if call.kind != "function" and note in ("", "failed"):
                call.output, call.error = call.logs, note

    @classmethod
    def of(cls, step: Step) -> CallsCard:
        """The card of a stored step."""
        calls = {
            call.id: Call(
                name=call.name,
                arguments=call.arguments,
                output=call.output,
                error="failed" if call.failed else "",
                kind=call.type,
            )
            for call in step.tool_calls
        }
        note = "" if step.status in ("completed", "in_progress") else step.status
        return cls(at=step.created_at, calls=calls, note=note)


Card = MessageCard | CallsCard


def _unnamed_images(message: Message) -> int:
    """How many of its images are not among its attachments."""
    named = {attachment.get("file_id") for attachment in message.attachments}
    return sum(
        part.type == "image_url"
        or (part.type == "image_file" and part.image_file.file_id not in named)
        for part in message.content
    )
