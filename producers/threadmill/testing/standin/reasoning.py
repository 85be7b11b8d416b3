"""The encrypted content of reasoning items, which only the model that wrote it can read."""

from __future__ import annotations

import base64
from collections.abc import Mapping

_OURS = "standin."


def seal(model: str, summary: str) -> str:
    """Text that looks like nothing, and that only this model can read."""
    return _OURS + base64.b64encode(f"{model}\n{summary}".encode(errors="replace")).decode()


def is_readable(model: str, content: str, given: Mapping[str, str]) -> bool:
    """Whether the model wrote this content.

    Args:
        model: who reads it.
        content: what `seal` made, or what a reply was scripted with.
        given: the scripted ones that were sent, with the model that they were sent for.
    """
    if not content.startswith(_OURS):
        return given.get(content) == model
    try:
        written_by = base64.b64decode(content.removeprefix(_OURS), validate=True)
    except ValueError:
        return False
    return written_by.startswith(f"{model}\n".encode())
