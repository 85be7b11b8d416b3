"""Markdown while it is being written: which of its blocks can no longer change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown
from rich.segment import Segment
from rich.text import Text

_INDENT = 4
"""The most columns that a quote or a list takes from its content."""

# Text that looks like HTML, and definitions of link targets, are shown as they are: rich prints
# nothing in their place, and part of what the model said would be lost.
_parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 100})
_parser.enable(["strikethrough", "table"])
_parser.disable("reference")


@dataclass(frozen=True)
class Block:
    """A paragraph, list, table, ... of the top level."""

    line: int
    """Number of its first line in the text, from 0."""
    source: str
    """Its lines as they were written."""
    tokens: list[Token]

    @property
    def is_code(self) -> bool:
        """Whether it is code, whose empty lines count."""
        return self.tokens[0].type in ("fence", "code_block")

    def fits(self, width: int) -> bool:
        """Whether its quotes and lists in lists leave room for words."""
        return max(token.level for token in self.tokens) * _INDENT < width

    def end(self, lines: int) -> Block:
        """Its last lines, if it is longer code; drawing code is slow."""
        code = self.tokens[0].content.splitlines(keepends=True)
        if not self.is_code or len(code) <= lines:
            return self
        token = self.tokens[0].copy(content="".join(code[-lines:]))
        return replace(self, tokens=[token])


class Blocks:
    """Blocks to be printed by rich, with one empty line between each two."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # Each is drawn by itself, without the empty lines that rich puts around some of them in
        # some places: so a block looks the same, whether those before it are drawn with it or not.
        markdown = Markdown("", hyperlinks=False)
        for index, block in enumerate(self._blocks):
            if index:
                yield Segment.line()
            markdown.parsed = block.tokens
            for line in _drawn(block, markdown, console, options):
                yield from line
                yield Segment.line()


def blocks_of(text: str) -> list[Block]:
    """The text's blocks, in order."""
    blocks: list[Block] = []
    lines = text.split("\n")
    for token in _parser.parse(text):
        if token.level == 0 and token.nesting >= 0:
            first, last = token.map or (0, 0)
            source = "\n".join(lines[first:last]).rstrip()
            blocks.append(Block(line=first, source=source, tokens=[]))
        if token.children:
            token.children = list(_shown(token.children))
        blocks[-1].tokens.append(token)
    return blocks


def count_closed(text: str, blocks: Sequence[Block]) -> int:
    """How many of the blocks can no longer change, whatever is added to the text.

    A block is closed when another one has begun after it on a complete line: one that is
    not (`2` below `1. one`) may still turn out to belong to the block before it.
    """
    complete = text.count("\n")
    begun = sum(block.line < complete for block in blocks)
    return max(begun - 1, 0)


def _shown(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        if token.type == "softbreak":
            # A model means the line ends that it writes.
            yield Token("hardbreak", "br", 0)
        elif token.type == "image":
            yield _text(f"{token.content} ({token.attrs.get('src', '')})".lstrip())
        elif token.markup != "autolink":  # rich would print the address twice
            yield token


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _drawn(
    block: Block, markdown: Markdown, console: Console, options: ConsoleOptions
) -> list[list[Segment]]:
    literal = Text(block.source)
    if not block.fits(options.max_width):
        return console.render_lines(literal, options, pad=False)
    try:
        lines = console.render_lines(markdown, options, pad=False)
    except Exception:  # noqa: BLE001  what rich or pygments cannot bear must not end the run
        return console.render_lines(literal, options, pad=False)
    return lines if block.is_code else _without_margins(lines)


def _without_margins(lines: list[list[Segment]]) -> list[list[Segment]]:
    written = [i for i, line in enumerate(lines) if any(part.text.strip() for part in line)]
    return lines[written[0] : written[-1] + 1] if written else []
