"""Commands as the documents show them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_PROMPT = re.compile(r"^\$ (.*)$", re.MULTILINE)
_SETTING = re.compile(r"([A-Z_]+)=(.*)")


@dataclass(frozen=True)
class Shown:
    """One command, with the settings before it."""

    settings: dict[str, str]
    words: list[str]

    @classmethod
    def all_of(cls, text: str) -> list[Shown]:
        """The commands of a page, in order."""
        return [cls.read(line) for line in _PROMPT.findall(text)]

    @classmethod
    def read(cls, line: str) -> Shown:
        """Read one line, without its prompt."""
        words = shlex.split(line, comments=True)
        settings = {}
        while words and (found := _SETTING.fullmatch(words[0])):
            settings[found[1]] = found[2]
            words.pop(0)
        return cls(settings, words)
