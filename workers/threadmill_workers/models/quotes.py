"""Which of a provider's own words may be told: not the key, and not what it was sent, at length."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_AT_LENGTH = 24
"""Characters in a row that a message shares with a text only if it quotes it."""
_STEP = 6
_SHORTEST = 8
"""Shorter texts are no secrets, and nor are single words: they occur in any message."""
_KEY_PART = 6
_KEY_LIKE = re.compile(
    r"\*{2}|\bsk-|\bbearer\s+\S|(?<!\w)(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{8,}(?!\w)"
    r"|\w+(?:\.{3}|…)\w+",
    re.IGNORECASE,
)
_NAMES_KEY = re.compile(r"\b(incorrect|invalid|wrong)\b.{0,20}\bapi[ _-]?key\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PrivateTexts:
    """What no error may repeat."""

    key: str = ""
    """The provider's API key."""
    texts: Iterable[str] = ()
    """What users, models and tools wrote."""


def shows_key(message: str, key: str, status: int | None) -> bool:
    """Whether the message repeats the key, or what is left of a masked one."""
    if key and (key in message or (len(key) > 2 * _KEY_PART and _has_part(message, key))):
        return True
    # There it is repeated, masked as the provider sees fit.
    is_of_key = status == 401 or _NAMES_KEY.search(message) is not None
    return is_of_key and _KEY_LIKE.search(message) is not None


def _has_part(message: str, key: str) -> bool:
    ends = (key[: 2 * _KEY_PART], key[-_KEY_PART:])
    return any(end in message for end in ends)


def quotes_any(message: str, texts: Iterable[str]) -> bool:
    """Whether the message repeats one of these texts, or a long piece of one."""
    starts = range(0, len(message) - _AT_LENGTH + 1, _STEP)
    pieces = [message[at : at + _AT_LENGTH] for at in starts]
    return any(_quotes(message, pieces, " ".join(text.split())) for text in texts)


def _quotes(message: str, pieces: list[str], text: str) -> bool:
    if len(text) >= _AT_LENGTH + _STEP:
        return any(piece in text for piece in pieces)
    if len(text) < _SHORTEST or " " not in text:
        return False
    return re.search(rf"(?<!\w){re.escape(text)}(?!\w)", message) is not None
