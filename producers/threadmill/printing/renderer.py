"""rich's drawings, as lines of text with escape codes."""

from __future__ import annotations

import io

from rich.box import ROUNDED
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.text import Text


class Renderer:
    """Draws for one terminal, with its colours and characters."""

    def __init__(self, encoding: str) -> None:
        self._encoded = _Encoded(encoding)
        self._console = Console(file=self._encoded, force_terminal=True, force_jupyter=False)
        self.tick, self.cross, self.dots, self.arrow, self.dot = _signs(encoding)

    def joined(self, *words: str) -> str:
        """The words that are not empty, with dots between them."""
        return f" {self.dot} ".join(filter(None, words))

    def lines(self, drawing: RenderableType, width: int) -> list[str]:
        """The drawing's lines, at most `width` columns wide."""
        self._console.width = width
        with self._console.capture() as captured:
            self._console.print(drawing)
        return captured.get().split("\n")[:-1]

    def panel(
        self, body: RenderableType, width: int, *, title: str, subtitle: str, style: str
    ) -> list[str]:
        """The lines of a panel as wide as the terminal."""
        panel = Panel(
            body,
            box=ROUNDED,
            title=Text(title, style="bold"),
            title_align="left",
            subtitle=Text(subtitle, style="dim"),
            subtitle_align="right",
            border_style=style,
        )
        return self.lines(panel, width)


class _Encoded(io.StringIO):
    """Nothing is written to it; rich uses its encoding, and draws ASCII boxes if necessary."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the base class has it as a constant None
        return self._encoding


def _signs(encoding: str) -> tuple[str, str, str, str, str]:
    signs = ("✓", "✗", "…", "→", "·")
    try:
        "".join(signs).encode(encoding)
    except UnicodeEncodeError:
        return ("+", "x", "...", "->", "-")
    return signs
