"""What the command INFO has answered."""

from __future__ import annotations

import re
from typing import Any


def info_field(info: Any, name: str) -> str:
    """One field of an answer of INFO, as the server sends it or redis-py reads it; empty: none."""
    if isinstance(info, dict):
        return str(info.get(name, ""))
    found = re.search(rf"^{name}:(.*?)\r?$", str(info), re.MULTILINE)
    return found[1] if found else ""
