"""Argument descriptions out of a docstring's `Args:` section (Google style)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

_HEADER = re.compile(r"(Args|Arguments|Parameters):\s*")
_ENTRY = re.compile(r"(?P<name>\w+)(?:\s*\([^)]*\))?:\s*(?P<text>.*)")


def split_docstring(doc: str, names: Collection[str]) -> tuple[str, dict[str, str]]:
    """The docstring without its `Args:` section, and the section as name -> description.

    A section that is not simple, or that tells of something else than `names`, is left where it
    is: better the model reads it in the wrong place than not at all.
    """
    lines = doc.splitlines()
    start = next((i for i, line in enumerate(lines) if _HEADER.fullmatch(line)), None)
    if start is None:
        return doc, {}
    end = _section_end(lines, start + 1)
    described = _entries(lines[start + 1 : end])
    if not described or not set(described) <= set(names):
        return doc, {}
    rest = "\n".join([*lines[:start], *lines[end:]])
    return re.sub(r"\n{3,}", "\n\n", rest).strip(), described


def _section_end(lines: Sequence[str], start: int) -> int:
    dedented = (i for i in range(start, len(lines)) if lines[i][:1].strip())
    return next(dedented, len(lines))


def _entries(section: Sequence[str]) -> dict[str, str]:
    """Name -> description; empty if a line fits no entry."""
    described: dict[str, list[str]] = {}
    for is_entry, line in _levels([line for line in section if line.strip()]):
        entry = _ENTRY.fullmatch(line)
        if is_entry and entry:
            described[entry["name"]] = texts = [entry["text"]]
        elif is_entry:
            return {}
        else:
            texts.append(line)
    return {name: " ".join(texts).strip() for name, texts in described.items()}


def _levels(lines: Sequence[str]) -> Iterator[tuple[bool, str]]:
    """Each line, and whether it begins an entry (is no deeper than the first one)."""
    indents = [len(line) - len(line.lstrip()) for line in lines]
    pairs = zip(indents, lines, strict=True)
    return ((indent <= indents[0], line.strip()) for indent, line in pairs)
