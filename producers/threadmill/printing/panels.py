"""Cards as panels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from rich.console import Group, RenderableType
from rich.highlighter import JSONHighlighter
from rich.padding import Padding
from rich.text import Text

from threadmill.printing.cards import NOT_FINISHED, Call, CallsCard, Card, MessageCard
from threadmill.printing.code_view import code_drawing
from threadmill.printing.markdown import Blocks, blocks_of, count_closed
from threadmill.printing.renderer import Renderer
from threadmill.printing.text import arguments_text, clock, first_lines, one_line

_TITLES = {
    "function": "Tool call",
    "code_interpreter": "Code interpreter",
    "file_search": "File search",
    "web_search": "Web search",
}
_NAME = 80
_ARGUMENTS = 200
_LINES = 12
_CHARACTERS = 800
"""Lines of pretty-printed arguments, and of an output."""


class View(Protocol):
    """Draws a card, and settles lines that can no longer change if there is no room for all."""

    def lines(self, width: int, room: int | None = None) -> list[str]:
        """Its lines, without those that it has settled.

        If only the last lines are visible, `room` is their number; others may be left out.
        """

    def settle(self, width: int) -> list[str]:
        """The lines that are final, whatever is added to the card; they are not drawn again."""


def view_of(card: Card, renderer: Renderer) -> View:
    """The view of a card."""
    return (
        MessageView(card, renderer) if isinstance(card, MessageCard) else CallsView(card, renderer)
    )


class MessageView:
    """A message: the user's unchanged, the assistant's as Markdown."""

    def __init__(self, message: MessageCard, renderer: Renderer) -> None:
        self._message = message
        self._renderer = renderer
        self._settled = 0
        """The number of characters of the text that are not drawn again."""

    def lines(self, width: int, room: int | None = None) -> list[str]:
        """See `View`."""
        if self._message.is_user:
            return self._panel(Text(self._rest()), width)
        blocks = blocks_of(self._rest())
        if blocks and room is not None:
            blocks[-1] = blocks[-1].end(room)
        return self._panel(Blocks(blocks), width)

    def settle(self, width: int) -> list[str]:
        """See `View`."""
        if self._message.is_user:
            return []
        text = self._rest()
        blocks = blocks_of(text)
        closed = count_closed(text, blocks)
        if not closed:
            return []
        lines = self._panel(Group(Blocks(blocks[:closed]), ""), width)[:-1]
        self._settled += _offset(text, blocks[closed].line)
        return lines

    def _rest(self) -> str:
        return self._message.text[self._settled :]

    def _panel(self, body: RenderableType, width: int) -> list[str]:
        message = self._message
        lines = self._renderer.panel(
            body,
            width,
            title=one_line(message.speaker, _NAME),
            subtitle=self._renderer.joined(clock(message.at), message.files, message.note),
            style="blue" if message.is_user else "dim" if message.note else "green",
        )
        return lines[1:] if self._settled else lines


class CallsView:
    """The calls of a step: each with its arguments while it runs, then with its outcome."""

    def __init__(self, calls: CallsCard, renderer: Renderer) -> None:
        self._calls = calls
        self._renderer = renderer

    def lines(self, width: int, room: int | None = None) -> list[str]:  # noqa: ARG002  as below
        """See `View`."""
        calls = list(self._calls.calls.values())
        kinds = {call.kind for call in calls}
        drawn = [part for call in calls for part in self._call(call)]
        return self._renderer.panel(
            Group(*drawn),
            width,
            title=_TITLES[kinds.pop()] if len(calls) == 1 else "Tool calls",
            subtitle=self._renderer.joined(clock(self._calls.at), self._calls.note),
            style="cyan",
        )

    def settle(self, width: int) -> list[str]:  # noqa: ARG002  a panel of calls changes as a whole
        """See `View`."""
        return []

    def _call(self, call: Call) -> Iterator[RenderableType]:
        if call.kind == "code_interpreter":
            yield from code_drawing(call, self._renderer, is_running=self._is_running(call))
            return
        if self._is_running(call):
            yield Text.assemble((self._renderer.dots, "yellow"), " ", _name(call))
            yield _below(_json(arguments_text(call.arguments, indent=2)))
            if call.waits_for:
                yield _below(Text(call.waits_for, style="yellow"))
            return
        is_done = call.output is not None and not call.error
        sign = (self._renderer.tick, "green") if is_done else (self._renderer.cross, "red")
        yield Text.assemble(sign, " ", _name(call), _short_arguments(call), *_error(call))
        if call.output:
            output = Text(first_lines(call.output, _LINES, _CHARACTERS), style="dim")
            yield _below(Text.assemble(f"{self._renderer.arrow} ", output))

    def _is_running(self, call: Call) -> bool:
        return not call.is_over and self._calls.note in ("", NOT_FINISHED)


def _name(call: Call) -> tuple[str, str]:
    return one_line(call.name, _NAME), "bold"


def _short_arguments(call: Call) -> str:
    return f"({one_line(arguments_text(call.arguments), _ARGUMENTS)})"


def _error(call: Call) -> Iterator[tuple[str, str]]:
    if call.error:
        yield f" {one_line(call.error, _NAME)}", "red"


def _json(text: str) -> Text:
    return JSONHighlighter()(first_lines(text, _LINES, _CHARACTERS))


def _below(drawing: RenderableType) -> Padding:
    return Padding(drawing, (0, 0, 0, 2))


def _offset(text: str, line: int) -> int:
    """Where in the text its line of this number begins."""
    return sum(len(one) + 1 for one in text.split("\n")[:line])
