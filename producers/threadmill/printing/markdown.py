"""Markdown while it is being written: which of its blocks can no longer change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, cast

from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import ListElement, ListItem, Markdown, MarkdownElement
from rich.segment import Segment
from rich.text import Text

from threadmill.printing.markdown_parser import LiteralMarkdown, literal_marks, text_token

_INDENT = 4
"""The most columns that a quote or a list takes from its content."""

_UNDRAWN = re.compile(r"^[\s>*+\-\d.)]*(`{3,}|~{3,}).*$|^[\s>]*\d+[.)]", re.MULTILINE)
"""The lines around code, which name its language, and the numbers of lists."""
_parser = LiteralMarkdown()


class _Item(ListItem):
    """An item of a list, with its number as it was written."""

    @classmethod
    def create(cls, markdown: Markdown, token: Token) -> _Item:  # noqa: ARG003
        return cls(token)

    def __init__(self, token: Token) -> None:
        super().__init__()
        self.number, self.sign = token.info, token.markup

    def numbered(
        self, console: Console, options: ConsoleOptions, numeral: str, width: int
    ) -> RenderResult:
        inner = options.update(width=max(options.max_width - width, 1))
        style = console.get_style("markdown.item.number", default="none")
        label = numeral.rjust(width - 1) + " "
        for line in console.render_lines(self.elements, inner, style=self.style):
            yield Segment(label, style)
            yield from line
            yield Segment("\n")
            label = " " * width


class _List(ListElement):
    """A list, numbered as it was written, or from its first number if all have the same."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        items = cast("list[_Item]", self.items)
        if self.list_type == "bullet_list_open":
            if items[0].sign == "+":  # of a sum; lists have other signs
                for item in items:
                    yield from item.numbered(console, options, item.sign, 3)
            else:
                yield from super().__rich_console__(console, options)
            return
        numbers = [item.number for item in items]
        if len(set(numbers)) == 1:
            numbers = [str(int(numbers[0]) + at) for at in range(len(items))]
        width = max(map(len, numbers)) + 3
        for item, number in zip(items, numbers, strict=True):
            yield from item.numbered(console, options, number + item.sign, width)


class _Document(Markdown):
    """rich's Markdown, with lists of ours."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = Markdown.elements | {
        "bullet_list_open": _List,
        "ordered_list_open": _List,
        "list_item_open": _Item,
    }


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
        markdown = _Document("", hyperlinks=False)
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
    for token in literal_marks(tokens):
        if token.type == "softbreak":
            # A model means the line ends that it writes.
            yield Token("hardbreak", "br", 0)
        elif token.type == "image":
            yield text_token(f"{token.content} ({_address(token, 'src')})".lstrip())
        elif token.markup != "autolink":  # rich would print the address twice
            if token.type == "link_open":
                token.attrs["href"] = _address(token, "href")
            yield token


def _address(token: Token, name: str) -> str:
    title = token.attrs.get("title")
    return f"{token.attrs.get(name, '')}" + (f' "{title}"' if title else "")


def _drawn(
    block: Block, markdown: Markdown, console: Console, options: ConsoleOptions
) -> list[list[Segment]]:
    def literal_lines() -> list[list[Segment]]:
        return console.render_lines(Text(block.source), options, pad=False)

    if not block.fits(options.max_width):
        return literal_lines()
    try:
        lines = console.render_lines(markdown, options, pad=False)
    except Exception:  # noqa: BLE001  what rich or pygments cannot bear must not end the run
        return literal_lines()
    if block.is_code and block.tokens[0].content:
        return lines
    return _without_margins(lines) if _has_all(block, lines) else literal_lines()


def _has_all(block: Block, lines: list[list[Segment]]) -> bool:
    """Whether all words of a block are drawn, and anything of one without words.

    rich leaves out what it has no room for, and the parser the cells that a table has no column
    for.
    """
    drawn = "".join(part.text for line in lines for part in line)
    if not drawn.strip():
        return False
    missing = Counter(filter(str.isalnum, _UNDRAWN.sub("", block.source)))
    missing.subtract(Counter(filter(str.isalnum, drawn)))
    return all(count <= 0 for count in missing.values())


def _without_margins(lines: list[list[Segment]]) -> list[list[Segment]]:
    written = [i for i, line in enumerate(lines) if any(part.text.strip() for part in line)]
    return lines[written[0] : written[-1] + 1] if written else []
