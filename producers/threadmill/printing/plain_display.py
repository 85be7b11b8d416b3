"""Plain lines, for pipes, files and simple terminals."""

from __future__ import annotations

import re
from pathlib import Path

from threadmill.printing.cards import Call, CallsCard, Card, MessageCard
from threadmill.printing.text import arguments_text, cleaned, one_line
from threadmill.printing.turn_lock import TurnLock

_INDENT = "  "
_LINE_START = re.compile(r"(?<=\n)(?=[^\n])")
_NAME = 80
_TEXT = 300
"""Characters of a call's arguments, and of its output, on its line."""


class PlainDisplay:
    """A display of plain lines, streamed as they arrive. A message's later lines are indented."""

    def __init__(self, turns: TurnLock) -> None:
        self._turns = turns
        self._card: Card | None = None
        self._parts = 0
        """How many parts of the message are written."""
        self._is_at_line_start = False
        self._shown: dict[str, str] = {}
        """The calls that have their line, with the error in it."""
        self._waiting: dict[str, str] = {}
        """The calls that have a line about what they wait for, with that."""

    def begin(self, card: Card) -> None:
        """A new card begins."""
        self._card = card
        self._parts = 0
        self._is_at_line_start = False
        self._shown = {}
        self._waiting = {}
        if isinstance(card, MessageCard):
            self._write(f"{one_line(card.speaker, _NAME)}: ")
        self.update(card)

    def update(self, card: Card) -> None:
        """Something was added to it."""
        if isinstance(card, MessageCard):
            new, self._parts = card.parts[self._parts :], len(card.parts)
            self._write(self._indented(cleaned("".join(new))))
        else:
            self._write_calls(card, is_over=False)

    def finish(self, card: Card) -> None:
        """It is complete; a card that was not begun is written whole."""
        if self._card is not card:
            self.begin(card)
        if isinstance(card, CallsCard):
            self._write_calls(card, is_over=True)
        elif card.note or card.files:
            note = ", ".join(filter(None, (card.files, card.note)))
            self._write(
                self._indented(f"({note})" if self._is_at_line_start else f" ({note})") + "\n"
            )
        elif not self._is_at_line_start:
            self._write("\n")
        self._card = None
        self._turns.leave(self)

    def notice(self, text: str, *, is_bad: bool = False) -> None:  # noqa: ARG002  no colours here
        """A line about the run itself."""
        self._write(f"{_INDENT}({cleaned(text)})\n")
        if self._card is None:
            self._turns.leave(self)

    def link(self, path: Path) -> None:
        """A new file."""
        self.notice(f"{path.name}: {path.as_uri()}")

    def _write(self, text: str) -> None:
        if text:
            self._turns.write(self, text)

    def _indented(self, text: str) -> str:
        # An indent is written with what follows it, so that empty lines stay empty.
        if not text:
            return ""
        before = "\n" if self._is_at_line_start else ""
        self._is_at_line_start = text.endswith("\n")
        return _LINE_START.sub(_INDENT, before + text)[len(before) :]

    def _write_calls(self, card: CallsCard, *, is_over: bool) -> None:
        for id, call in card.calls.items():
            if call.waits_for != self._waiting.get(id, ""):
                self._waiting[id] = call.waits_for
                self._write(_waiting_line(call) if call.waits_for else "")
            if id not in self._shown:
                if is_over or call.output is not None:
                    self._write(f"{_INDENT}{call_line(call, card.note or 'no output yet')}\n")
                    self._shown[id] = call.error
            elif self._shown[id] != call.error:
                self._write(f"{_INDENT}{one_line(call.name, _NAME)} failed ({call.error})\n")
                self._shown[id] = call.error


def _waiting_line(call: Call) -> str:
    arguments = one_line(arguments_text(call.arguments), _TEXT)
    return f"{_INDENT}{one_line(call.name, _NAME)}({arguments}) {call.waits_for}\n"


def call_line(call: Call, without_output: str) -> str:
    """A call and its outcome, on one line."""
    output = f"({without_output})" if call.output is None else one_line(call.output, _TEXT)
    failed = _failure(call.error)
    arguments = one_line(arguments_text(call.arguments), _TEXT)
    return f"{one_line(call.name, _NAME)}({arguments}){failed} -> {output}"


def _failure(error: str) -> str:
    if not error:
        return ""
    return " failed" if error == "failed" else f" failed ({error})"
