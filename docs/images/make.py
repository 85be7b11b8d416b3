"""Makes `say.svg`: what the README's first example prints in a terminal.

The example is taken from the README and run as it stands, against the stand-in provider, in a real
terminal device; what that shows at the end is drawn. Run in the root: `python -m docs.images.make`
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Span, Text
from tests.support.terminal import Emulator, Terminal

from threadmill.embedded.server import FOLDER, end_server
from threadmill.testing import StandIn

ROOT = Path(__file__).resolve().parents[2]
IMAGE = Path(__file__).with_name("say.svg")
COLUMNS = 72
_CLOCK = re.compile(r"\d\d:\d\d:\d\d")
_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
SAME_DICE = "import random\n\nrandom.randint = random.Random(5).randint\n"


class ColouredEmulator(Emulator):
    """Keeps with each character how it is to be shown."""

    _style = ""

    def _control(self, argument: str, kind: str) -> None:
        if kind == "m":
            self._style = "" if argument in ("", "0") else f"{self._style}\x1b[{argument}m"
        super()._control(argument, kind)

    def _print(self, character: str, width: int) -> None:
        shown = f"{self._style}{character}\x1b[0m" if self._style else character
        super()._print(shown, width)


def main(image: Path = IMAGE) -> None:
    """Play the example, and write the image."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            lines = played(Path(folder))
        finally:
            end_server(Path(folder) / FOLDER)
    image.write_text(drawn(lines), encoding="utf-8")


def example() -> str:
    """The README's first program."""
    found = re.search(r"^```python\n# dice\.py\n(.*?)^```", _readme(), re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError("The README has no program dice.py.")
    return found[1]


def _readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def played(folder: Path) -> list[str]:
    """The lines that a terminal shows when the example has ended."""
    (folder / "dice.py").write_text(SAME_DICE + example(), encoding="utf-8")
    terminal = Terminal(COLUMNS, rows=60)
    terminal.emulator = ColouredEmulator(COLUMNS, rows=60)
    try:
        with StandIn() as standin:
            subprocess.run(
                [sys.executable, "dice.py"],
                cwd=folder,
                env=_environment(standin),
                stdout=terminal.stream,
                stderr=subprocess.PIPE,
                timeout=60,
                check=True,
            )
        terminal.text()
        lines = terminal.emulator.lines()
        # Where the embedded server keeps its data is announced first, on a line that is too long.
        return lines[next(at for at, line in enumerate(lines) if "╭" in line) :]
    finally:
        terminal.close()


def _environment(standin: StandIn) -> dict[str, str]:
    ours = ("THREADMILL_", "OPENAI_", "NO_COLOR", "COLORTERM")
    known = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    provider = {"OPENAI_BASE_URL": standin.base_url, "OPENAI_API_KEY": "none"}
    return {**known, **provider, "TERM": "xterm-256color"}


def drawn(lines: list[str]) -> str:
    """These lines as an SVG, the same whenever it is made and whoever makes it."""
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True)
    console.print("$ python dice.py", highlight=False)
    for line in lines:
        text = Text.from_ansi(line)
        text.plain = _CLOCK.sub("12:16:03", text.plain)
        text.spans = joined(text.spans)
        console.print(text)
    svg = console.export_svg(title="threadmill", unique_id="say")
    # Without the fonts that a viewer would have to load from elsewhere.
    return _FONT.sub("", svg)


def joined(spans: list[Span]) -> list[Span]:
    """One span in place of those of single characters that are shown alike."""
    found: list[Span] = []
    for span in spans:
        if found and found[-1].end == span.start and found[-1].style == span.style:
            found[-1] = Span(found[-1].start, span.end, span.style)
        else:
            found.append(span)
    return found


if __name__ == "__main__":
    main()
