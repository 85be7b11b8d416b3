"""The encrypted content of reasoning items, which only the model that wrote it can read."""

from __future__ import annotations

import base64
from typing import Any

from threadmill.testing.standin.checks import BadRequest

_OURS = "standin."


def seal(model: str, summary: str) -> str:
    """Text that looks like nothing, and that `check` takes back from this model only."""
    return _OURS + base64.b64encode(f"{model}\n{summary}".encode(errors="replace")).decode()


def check(item: dict[str, Any], param: str, model: str) -> None:
    """Reject a reasoning item that another model wrote, or that has nothing to continue from."""
    content = item.get("encrypted_content")
    if not isinstance(content, str) or not isinstance(item.get("summary"), list):
        raise BadRequest(
            f"{param} has no 'encrypted_content' and 'summary'; nothing is kept here that its id "
            "could stand for.",
            param=param,
        )
    if content.startswith(_OURS) and not _is_by(model, content):
        raise BadRequest(
            f"The reasoning in {param} is not of {model!r}.",
            param=param,
            code="invalid_encrypted_content",
        )


def _is_by(model: str, content: str) -> bool:
    try:
        written_by = base64.b64decode(content.removeprefix(_OURS), validate=True)
    except ValueError:
        return False
    return written_by.startswith(f"{model}\n".encode())
