"""Texts that callers give: what cannot be stored is rejected."""

from __future__ import annotations

import re
from typing import Any

from threadmill_shared import errors

_QUEUE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The name of an assistant's queue, without the namespace."""
_TAKEN_QUEUE_NAME = re.compile(r"begun|door|process-.*")
"""Names of queues that a namespace has anyway."""


def check_text(text: Any, what: str) -> None:
    """Refuse what cannot be stored as text; `what` begins the error's sentence.

    Raises:
        TypeError: it is not a str.
        CallerError: it has lone surrogates.
    """
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a str, not {type(text).__name__}.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise errors.CallerError(
            f"{what} must be valid Unicode, without lone surrogates."
        ) from None


def is_valid_text(text: str) -> bool:
    """Whether it can be stored: whether it has no half of a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def checked_metadata(metadata: Any, what: str) -> dict[str, str]:
    """A copy of what can be stored as metadata; `what` names the owner in an error's sentence.

    Raises:
        TypeError: it is not a dict of texts.
        CallerError: a text has lone surrogates.
    """
    if not isinstance(metadata, dict):
        raise TypeError(f"{what} metadata must be a dict, not {type(metadata).__name__}.")
    for part in (*metadata, *metadata.values()):
        check_text(part, f"A text in {what[0].lower()}{what[1:]} metadata")
    return dict(metadata)


def check_key(key: Any, what: str) -> None:
    """Refuse what cannot be a key; an empty one would be shared by all that have none.

    Raises:
        TypeError: it is not a str.
        CallerError: it is empty, or has lone surrogates.
    """
    check_text(key, what)
    if not key:
        raise errors.CallerError(f"{what} must not be empty. Leave it out if there is none.")


def check_queue_name(name: str) -> str:
    """Reject what cannot be the name of an assistant's queue, without the namespace.

    Raises:
        ValueError: it has other characters, is too long, or is a name that threadmill uses itself.
    """
    if not _QUEUE_NAME.fullmatch(name):
        raise ValueError("a queue's name has 1 to 64 letters, digits, '_' or '-'")
    if _TAKEN_QUEUE_NAME.fullmatch(name):
        raise ValueError("threadmill uses this queue itself: choose another name")
    return name
