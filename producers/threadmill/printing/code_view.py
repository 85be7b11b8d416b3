"""How code of the provider's interpreter is drawn: coloured, with its output below."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from threadmill.printing.cards import Call
from threadmill.printing.renderer import Renderer
from threadmill.printing.text import cleaned, first_lines

_LINES = 12
_CHARACTERS = 800
"""Lines of the code's output."""


def code_drawing(call: Call, renderer: Renderer, *, is_running: bool) -> Iterator[RenderableType]:
    """The drawing of one call; while it is running, its code is still being written."""
    code = cleaned(call.arguments).rstrip("\n")
    if code:
        yield Syntax(code, "python", theme="ansi_dark", background_color="default", word_wrap=True)
    if is_running:
        yield Text(renderer.dots, style="yellow")
        return
    is_done = call.output is not None and not call.error
    sign = (renderer.tick, "green") if is_done else (renderer.cross, "red")
    if call.output:
        output = Text(first_lines(call.output, _LINES, _CHARACTERS), style="dim")
        yield Text.assemble(sign, f" {renderer.arrow} ")
        yield Padding(output, (0, 0, 0, 2))
    else:
        yield Text.assemble(sign)
