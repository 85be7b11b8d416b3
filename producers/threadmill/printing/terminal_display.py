"""Panels on a terminal, which change in place while their cards grow."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from rich.style import Style
from rich.text import Text

from threadmill.printing.cards import Card
from threadmill.printing.panels import View, view_of
from threadmill.printing.pictures import picture, protocol_of
from threadmill.printing.renderer import Renderer
from threadmill.printing.screen import Screen
from threadmill.printing.stream_writer import encoding_of
from threadmill.printing.text import cleaned
from threadmill_shared.records.files import image_type

_INTERVAL = 1 / 12
"""The least number of seconds between two paints."""
_SHARE = 4
"""A slow paint is followed by a pause this many times as long."""


class TerminalDisplay:
    """A display of panels, the last of which may be live."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._renderer = Renderer(encoding_of(screen.stream))
        self._live: tuple[Card, LivePanel] | None = None

    def begin(self, card: Card) -> None:
        """Show the card; it changes in place from here on."""
        self._live = card, LivePanel(view_of(card, self._renderer), self._renderer, self._screen)

    def update(self, card: Card) -> None:  # noqa: ARG002  there is only one
        """Have it repainted soon."""
        if self._live is not None:
            self._live[1].touch()

    def finish(self, card: Card) -> None:
        """Show its final state."""
        live, self._live = self._live, None
        if live is not None and live[0] is card:
            live[1].close()
        else:
            self._screen.add_lines(view_of(card, self._renderer).lines(self._screen.size().columns))

    def notice(self, text: str, *, is_bad: bool = False) -> None:
        """A line about the run itself."""
        line = Text(f"{self._renderer.cross if is_bad else self._renderer.dot} {cleaned(text)}")
        line.stylize("red" if is_bad else "dim")
        self._screen.add_lines(self._renderer.lines(line, self._screen.size().columns))

    def link(self, path: Path) -> None:
        """A new file; an image is shown below its link."""
        columns = self._screen.size().columns
        uri = path.as_uri()
        link = (uri, Style(link=uri, color="blue"))
        line = Text.assemble(
            f"{self._renderer.arrow} {cleaned(path.name)}: ", link, overflow="fold"
        )
        self._screen.add_lines(self._renderer.lines(line, columns))
        protocol = protocol_of()
        content = path.read_bytes() if protocol is not None else b""
        if protocol is not None and image_type(content) is not None:
            self._screen.draw(picture(content, protocol, columns))


class LivePanel:
    """A panel that a thread of its own repaints while its card grows.

    Because of the thread, updates of the card return at once; it paints the last change of a burst.
    """

    def __init__(self, view: View, renderer: Renderer, screen: Screen) -> None:
        """Paints it for the first time."""
        self._view = view
        self._renderer = renderer
        self._screen = screen
        self._size = screen.size()
        self._is_changed = False
        self._is_closing = threading.Event()
        self._paint()
        self._thread = threading.Thread(
            target=self._keep_painting, name="threadmill-printer", daemon=True
        )
        self._thread.start()

    def touch(self) -> None:
        """The card has changed."""
        self._is_changed = True

    def close(self) -> None:
        """Finish it: all of it is on the terminal, however tall."""
        self._is_closing.set()
        try:
            self._thread.join()
        finally:  # Ctrl-C may arrive during the wait
            self._screen.release(self, self._view.lines(self._screen.size().columns))

    def _keep_painting(self) -> None:
        pause = _INTERVAL
        while not self._is_closing.wait(pause):
            if self._is_changed or self._screen.size() != self._size:
                began = time.monotonic()
                self._paint()
                pause = max(_INTERVAL, _SHARE * (time.monotonic() - began))

    def _paint(self) -> None:
        self._is_changed = False
        if not self._screen.claim(self):
            return
        size = self._size = self._screen.size()
        room = max(size.lines - 1, 1)
        lines, settled = self._view.lines(size.columns, room), []
        if len(lines) > room:
            settled = self._view.settle(size.columns)
            lines = self._view.lines(size.columns, room)
        self._screen.paint(settled, self._last(lines, room, size.columns))

    def _last(self, lines: list[str], room: int, width: int) -> list[str]:
        """The part of a panel that fits if it is too tall: its end, and a note about the rest."""
        if len(lines) <= room or room < 2:
            return lines[-room:]
        word = Text(
            f"{self._renderer.dots} more above, shown at the end", style="dim", no_wrap=True
        )
        return [*self._renderer.lines(word, width), *lines[-(room - 1) :]]
