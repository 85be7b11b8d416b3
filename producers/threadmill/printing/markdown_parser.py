r"""Markdown as models mean it: nothing that they wrote as text is taken for a sign.

CommonMark has signs that models use for something else: the underscores of `__init__.py`, the stars
of `2*3*4`, the backslashes of `\(x\)`. Such signs are text here. So are HTML, entities, definitions
of link targets, and lines that underline a title: rich prints nothing in their place, and part of
what the model said would be lost.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import accumulate

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline, autolink, image, link
from markdown_it.token import Token

_MARKS = ("em", "strong", "s")
_NO_NEIGHBOURS = frozenset("\\=^%$@#&*_~")
"""Characters beside which a sign of emphasis is text: in formulas, paths and code."""
_OPENING, _CLOSING = ("(", "[", "{"), (")", "]", "}")
_TARGET = re.compile(r"\(\s*<?([^\s<>]*)")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:|[^()\[\]]*[./#?]", re.IGNORECASE)
"""How the target of a link begins; `names[i](x)` is a call."""


class LiteralMarkdown(MarkdownIt):
    """A parser that leaves text as it was written."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False, "maxNesting": 100})
        self.enable(["strikethrough", "table"])
        self.disable(["reference", "lheading", "entity"])
        self.inline.ruler.at("autolink", _parse_autolink)
        self.inline.ruler.at("escape", _keep_backslash)
        self.inline.ruler.at("link", _parse_link)
        self.inline.ruler.at("image", _parse_image)

    def normalizeLink(self, url: str) -> str:  # noqa: N802  the base class's name
        """The address as it was written; normalized, its umlauts would be unreadable."""
        return url


def literal_marks(tokens: Sequence[Token]) -> list[Token]:
    """The tokens of a text, those of emphasis as text if the model does not mean them so."""
    kept = list(tokens)
    pieces = [_written(token) for token in tokens]
    text, ends = "".join(pieces), [0, *accumulate(map(len, pieces))]
    opened: list[int] = []
    for at, token in enumerate(tokens):
        kind, _, side = token.type.rpartition("_")
        if kind not in _MARKS:
            continue
        if side == "open":
            opened.append(at)
            continue
        first = opened.pop()
        begin, end = ends[first], ends[at]
        if not _is_emphasis(token.markup, text[:begin][-2:], text[begin:end], text[end:][:2]):
            kept[first] = kept[at] = text_token(token.markup)
    return kept


def text_token(content: str) -> Token:
    """A token that is text."""
    return Token("text", "", 0, content=content)


def _written(token: Token) -> str:
    """What a token shows, as far as its neighbours matter."""
    return "\n" if token.type in ("softbreak", "hardbreak") else token.content


def _is_emphasis(markup: str, before: str, inner: str, after: str) -> bool:
    """Whether signs are emphasis.

    Args:
        markup: the sign.
        before: at most two characters before it.
        inner: what is between the signs.
        after: at most two characters after them.
    """
    if inner.isidentifier() and (markup == "__" or (markup == "_" and "_" in inner)):
        return False  # a name
    if _is_part(before[-1:], before[-2:-1]) or _is_part(after[:1], after[1:]):
        return False
    if before[-1:] in _CLOSING or after[:1] in _OPENING:
        return False  # a product or a call
    return len(markup) > 1 or "/" not in before[-1:] + after[:1]


def _is_part(neighbour: str, next_one: str) -> bool:
    """Whether a sign's neighbour makes it a part of a word, a name or a formula."""
    if neighbour == ".":
        return next_one.isalnum()
    is_word = neighbour.isalnum() and unicodedata.east_asian_width(neighbour) not in "WF"
    return is_word or neighbour in _NO_NEIGHBOURS if neighbour else False


def _keep_backslash(state: StateInline, silent: bool) -> bool:  # noqa: FBT001  called by position
    """Take a backslash for text, and for the character after it that is no sign then."""
    if state.src[state.pos] != "\\":
        return False
    following = state.src[state.pos + 1 : state.pos + 2]
    if not following or following.isspace():
        following = ""
    if not silent:
        state.pending += "\\" + following
    state.pos += 1 + len(following)
    return True


def _parse_link(state: StateInline, silent: bool) -> bool:  # noqa: FBT001  as above
    if state.src[state.pos] != "[" or not _has_address(state, state.pos):
        return False
    return link(state, silent)


def _parse_image(state: StateInline, silent: bool) -> bool:  # noqa: FBT001  as above
    if not state.src.startswith("![", state.pos) or not _has_address(state, state.pos + 1):
        return False
    return image(state, silent)


def _parse_autolink(state: StateInline, silent: bool) -> bool:  # noqa: FBT001  as above
    # Others are addresses of mail, and types: `vector<std::string>`.
    if not state.src.startswith(("<http://", "<https://"), state.pos):
        return False
    return autolink(state, silent)


def _has_address(state: StateInline, bracket: int) -> bool:
    """Whether what follows a bracket is a link that leads somewhere."""
    before = state.src[:bracket][-1:]
    if (before.isalnum() and before.isascii()) or before == "]":
        return False
    end = state.md.helpers.parseLinkLabel(state, bracket, disableNested=True)
    target = _TARGET.match(state.src, end + 1) if end >= 0 else None
    return target is not None and _ADDRESS.match(target[1]) is not None
