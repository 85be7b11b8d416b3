"""Texts that callers give: what cannot be stored is rejected."""

from __future__ import annotations

from typing import Any

from threadmill_shared import errors


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


def check_key(key: Any, what: str) -> None:
    """Refuse what cannot be a key; an empty one would be shared by all that have none.

    Raises:
        TypeError: it is not a str.
        CallerError: it is empty, or has lone surrogates.
    """
    check_text(key, what)
    if not key:
        raise errors.CallerError(f"{what} must not be empty. Leave it out if there is none.")
