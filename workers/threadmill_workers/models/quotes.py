"""Which of a provider's own words may be told: not the key, and not what it was sent, at length."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass

_AT_LENGTH = 24
"""Bytes of UTF-8 in a row that a message shares with a text only if it quotes it: 24 letters of
English, 8 characters of Chinese."""
_STEP = 4
_SHORTEST = 8
"""Shorter texts are no secrets, and nor are single words: they occur in any message."""
_LONGEST_SHORT = 1_000
"""A longer text has more than `_AT_LENGTH` bytes, however it is escaped, unless it is blank."""
_IGNORED = b" \t\n\r\v\f\"'`\\"
"""What providers add or leave out if they quote JSON."""
_ESCAPE = re.compile(
    r"(?<!\\)\\++(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|[nrtbfv])"
)
_ENTITY = re.compile(r"&#?\w{1,8};")
_SEVERAL_WORDS = re.compile(r"[\s\"]")
_LIKE_PASSWORD = re.compile(r"(?=\S*\d)(?=\S*[^\W\d_])[^\s._:/-]{8,}")
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
    """Whether the message repeats one of these texts, or a long piece of one, escaped or not.

    Its time grows with the length of the texts, whatever the message: about 50 ms for a megabyte.
    """
    message = _unescaped(message)
    form = _form(message)
    pieces = {form[at : at + _AT_LENGTH] for at in range(len(form) - _AT_LENGTH + 1)}
    return any(_quotes(message, form, pieces, text) for text in texts)


def _quotes(message: str, form: bytes, pieces: set[bytes], text: str) -> bool:
    if not pieces and len(text) > _LONGEST_SHORT:
        return False
    text = _unescaped(text)
    sought = _form(text)
    if len(sought) < _AT_LENGTH:
        return sought in form and _is_short_secret(text) and _has_words(message, text)
    starts = range(0, len(sought) - _AT_LENGTH + 1, _STEP)
    return any(sought[at : at + _AT_LENGTH] in pieces for at in starts)


def _form(text: str) -> bytes:
    """What is compared: a quoted JSON may have other spaces and quotes than the original."""
    return text.encode("utf-8", "replace").translate(None, _IGNORED)


def _unescaped(text: str) -> str:
    """The text without the escapes of JSON, Python and HTML, however often it was escaped."""
    text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    if "\\" not in text:
        return text
    units = _ESCAPE.sub(_character, text).encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace")


def _character(escape: re.Match[str]) -> str:
    code = int(next(filter(None, escape.groups()), "20"), 16)
    return chr(code) if code < 0x110000 else " "


def _is_short_secret(text: str) -> bool:
    text = text.strip()
    if not _SHORTEST <= len(text) <= _LONGEST_SHORT:
        return False
    return (_SEVERAL_WORDS.search(text) or _LIKE_PASSWORD.search(text)) is not None


def _has_words(message: str, text: str) -> bool:
    """Whether the whole words of the text are in the message, in this order."""
    words = map(re.escape, re.findall(r"[^\s\"'`\\]+", text))
    between = r"[\s\"'`\\]*"
    return re.search(rf"(?<!\w){between.join(words)}(?!\w)", message) is not None
