"""Whether a request was refused for a file that it names, and for which.

Code reads its files from a container that the provider makes for the request, so it refuses a file
with the request. Servers may name the file, its place, or neither.
"""

from __future__ import annotations

import re

from threadmill_shared.errors import ModelRefused

_STATUSES = frozenset({400, 404, 413, 415, 422})
_PLACE = re.compile(r"\bfile_ids\b")
_WRONG = (
    r"type|format|extension|unsupported|not supported|invalid|corrupt\w*|empty|too (large|big)"
    r"|exceeds?|cannot be (read|processed|opened)|could not be (read|processed|opened)"
)
_FILES = re.compile(
    rf"\bfiles?\b.{{0,80}}\b({_WRONG})\b|\b({_WRONG})\b.{{0,80}}\bfiles?\b", re.IGNORECASE
)
_OTHER = re.compile(
    r"\bimages?\b|\bfile.search\b|\bvector.store|\bexpired\b|\b(cntr|cfile|ci)_", re.IGNORECASE
)
_SHORTEST_NAME = 5
"""Shorter names, such as `a.c`, occur in any message."""


def can_be_of_files(error: ModelRefused) -> bool:
    """Whether the refusal is one that a file of the request can cause."""
    return error.status is None or error.status in _STATUSES


def names_place(error: ModelRefused) -> bool:
    """Whether it names the place of the files, but perhaps not which one."""
    return _PLACE.search(f"{error.param} {error.reason}") is not None


def speaks_of_files(error: ModelRefused) -> bool:
    """Whether its words can only be about files that the request names."""
    return _FILES.search(error.reason) is not None and _OTHER.search(error.reason) is None


def mentions(error: ModelRefused, *words: str) -> bool:
    """Whether the provider's own text has one of these ids or names."""
    return any(_mentions(error.reason, word) for word in words)


def _mentions(text: str, word: str) -> bool:
    if len(word) < _SHORTEST_NAME:
        return False
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None
