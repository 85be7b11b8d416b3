"""Which tool a model means by a name that it has written not quite as the tool is called."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

_MARK = re.compile(r"<\|?\w*\|?>?")
"""Of a format of prompts: `<|channel|>`."""
_AROUND = " \t\r\n\f\v\0\u00a0\u200b\u200c\u200d\u2060\ufeff\"'`"
_PREFIX = re.compile(r"^([a-z]+ +)?(to=)?(functions?|tools?|default_api)(::|[.:/])")
"""Namespaces that models know from their prompts, and take for a part of the name."""
_SUFFIX = re.compile(r"(\(\s*\)|:[0-9]+|\s+json)$")
"""Of a call without arguments; of Kimi's ids; of the format of its arguments."""
_PRINTED = re.compile(r"^print\(\s*(default_api\.[^()]+\(\s*\))\s*\)$")
"""Gemini's code in place of a call."""
_SHOWN_NAMES = 50


def meant_tool(written: str, offered: Collection[str]) -> str:
    """The name of the offered tool that is meant; what was written if that is none.

    Only what cannot be a part of a name is taken away: a name that is alike in another way may mean
    another tool, which does something else.
    """
    if written in offered:
        return written
    parts = (part.strip(_AROUND) for part in _MARK.split(written))
    name = next(filter(None, parts), "")
    while name not in offered:
        shorter = _SUFFIX.sub("", _PREFIX.sub("", _PRINTED.sub(r"\1", name))).strip(_AROUND)
        if shorter == name:
            return written
        name = shorter
    return name


def explain_unknown(written: str, offered: Sequence[str]) -> str:
    """What a model is told that has called a tool which there is not."""
    said = f"there is no tool {written!r}"
    if not offered:
        return f"{said}, and no other; answer without one."
    more = len(offered) - _SHOWN_NAMES
    end = f" and {more} more" if more > 0 else ""
    return f"{said}. The tools are: {', '.join(offered[:_SHOWN_NAMES])}{end}."
