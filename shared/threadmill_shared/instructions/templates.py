"""Instructions as templates. Most have no syntax, and need no Jinja."""

from __future__ import annotations

import re
from dataclasses import dataclass

from threadmill_shared.errors import BadTemplate

MAX_RENDERED = 256 * 1024
"""Bytes of UTF-8 that a template may become; also what one `*` or `**` in it may make."""

_SYNTAX = re.compile(r"\{[{%#]")
"""The beginnings of template syntax."""
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Template:
    """Instructions to be rendered: a Jinja template, which can use `self_` and `context`.

    An assistant's instructions are a template anyway; a run's are plain text without this class.

    Raises:
        TypeError: the source is not a str.
    """

    source: str
    """Jinja2 source; never build it from what users have written."""

    def __post_init__(self) -> None:
        if not isinstance(self.source, str):
            raise TypeError(f"A template's source must be a str, not {type(self.source).__name__}.")


def has_syntax(text: str) -> bool:
    """Whether the text has template syntax; otherwise rendering only changes line ends."""
    return _SYNTAX.search(text) is not None


def render_plain(template: str) -> str:
    """What Jinja makes of a template without syntax: each line end is one, and the last goes.

    Raises:
        BadTemplate: it exceeds the limit.
    """
    text = _LINE_END.sub("\n", template).removesuffix("\n")
    if len(text.encode("utf-8", "replace")) > MAX_RENDERED:
        raise too_large()
    return text


def too_large() -> BadTemplate:
    """The error for instructions that have become too large."""
    return BadTemplate(f"The rendered instructions exceed {MAX_RENDERED} bytes; shorten them.")
