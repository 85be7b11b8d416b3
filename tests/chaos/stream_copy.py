"""What a client has of a run after streams that were cut: its texts, and whether they fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

ENDS = ("completed", "cancelled", "failed", "expired", "incomplete", "requires_action")
"""What a run is when its stream ends in order."""


class StreamCopy:
    """The messages of one run, as its streams have told them."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self.is_over = False
        self.cuts = 0
        """How often a stream ended before the run did."""
        self.entries = 0
        """How often the next one began without a number, where the run was then."""
        self._last = 0
        self._has_begun = False
        self._is_entering = False
        self._texts: dict[str, str] = {}
        self._completed: dict[str, str] = {}
        self._wrong: list[str] = []
        self._status = ""

    def begin(self) -> dict[str, str]:
        """Begin with the next stream; returns its headers.

        The first one has all events. Of the others every third one enters without a number.
        """
        self.cuts += self._has_begun
        self._is_entering = self._has_begun and self.cuts % 3 == 0
        self.entries += self._is_entering
        self._has_begun = True
        return {} if self._is_entering else {"Last-Event-ID": str(self._last)}

    def enter(self) -> None:
        """Begin with a stream that another reader reads from where the run is."""
        self.cuts += self._has_begun
        self.entries += 1
        self._has_begun = True

    def note_status(self, status: str) -> None:
        """What that reader has seen of the run last."""
        self._status = status

    def complete(self, id: str, told: str, text: str) -> None:
        """A message of which that reader has the deltas and the whole text."""
        self._texts[id], self._completed[id] = told, text

    def end_entered(self) -> None:
        """That stream has ended: the run must have, or wait for outputs."""
        self.is_over = self._status in ENDS

    def continue_after_outputs(self) -> None:
        """The run goes on, and so must its stream."""
        self.is_over = False

    def add(self, name: str, number: int | None, data: Any) -> None:
        """Take the next event."""
        if name == "done":
            self.is_over = True
            return
        if name == "error" or number is None:
            return
        # What a stream begins with that enters in the middle has one number.
        if number < self._last or (number == self._last and not self._is_entering):
            self._wrong.append(f"event {number} ({name}) came behind {self._last}")
        self._last = number
        if name == "thread.message.created":
            self._texts[data["id"]] = _text(data["content"])
        elif name == "thread.message.delta":
            self._texts[data["id"]] += _text(data["delta"]["content"])
        elif name == "thread.message.completed":
            self._completed[data["id"]] = _text(data["content"])

    def differences(self, stored: Mapping[str, str]) -> Iterator[str]:
        """What is not as the thread has it."""
        yield from self._wrong
        for id, text in self._completed.items():
            if self._texts.get(id) != text:
                yield f"the deltas of {id} were {self._texts.get(id)!r}, not {text!r}"
            if stored.get(id) != text:
                yield f"{id} was streamed as {text!r}, and is {stored.get(id)!r}"
        missing = stored.keys() - self._completed.keys()
        if missing and not self.entries:
            yield f"no stream had {sorted(missing)}"


def _text(content: list[dict[str, Any]]) -> str:
    return "".join(part["text"]["value"] for part in content if part["type"] == "text")
