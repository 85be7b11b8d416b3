"""Images in terminals that can show them: the protocols of kitty and of iTerm2."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Literal

Protocol = Literal["kitty", "iterm2"]

_KITTY_TERMS = ("xterm-kitty", "xterm-ghostty")
_KITTY_PROGRAMS = ("kitty", "ghostty")
_ITERM2_PROGRAMS = ("iTerm.app", "WezTerm", "mintty")
_MULTIPLEXERS = ("screen", "tmux")
"""Programs that pass on the terminal's name, but swallow pictures."""
_PNG = b"\x89PNG\r\n\x1a\n"
_CHUNK = 4096
"""Characters of Base64 in one command of kitty's."""
_PIXELS = 8
"""The assumed minimum width of a column; a wider picture is fitted to the terminal."""


def protocol_of(environment: Mapping[str, str] = os.environ) -> Protocol | None:
    """The protocol of the terminal that `TERM` and `TERM_PROGRAM` name; None: it has none."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if term.startswith(_MULTIPLEXERS):
        return None
    if term in _KITTY_TERMS or program in _KITTY_PROGRAMS:
        return "kitty"
    return "iterm2" if program in _ITERM2_PROGRAMS else None


def picture(content: bytes, protocol: Protocol, columns: int) -> str:
    """What draws an image and leaves the cursor below it; empty if the terminal cannot.

    Args:
        content: the image's file; kitty takes PNG only.
        protocol: the terminal's.
        columns: how many the terminal has.
    """
    if protocol == "iterm2":
        data = base64.b64encode(content).decode()
        return f"\x1b]1337;File=size={len(content)};inline=1:{data}\x07\r\n"
    if not content.startswith(_PNG):
        return ""
    return _kitty(content, columns) + "\r\n"


def _kitty(content: bytes, columns: int) -> str:
    data = base64.b64encode(content).decode()
    chunks = [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)]
    width = int.from_bytes(content[16:20], "big")
    fitted = f",c={columns}" if width > columns * _PIXELS else ""
    # q=2: a reply of the terminal would be read as if the user had typed it.
    heads = [f"a=T,f=100,q=2{fitted},", *[""] * (len(chunks) - 1)]
    return "".join(
        f"\x1b_G{head}m={int(number < len(chunks))};{chunk}\x1b\\"
        for number, (head, chunk) in enumerate(zip(heads, chunks, strict=True), 1)
    )
