"""The Celery door, from the side of a service without threadmill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_FOREIGN = Path(__file__).parent / "scripts" / "foreign.py"


def send(*messages: dict[str, Any]) -> None:
    """Send tasks from a process that has no threadmill; see `scripts/foreign.py`."""
    subprocess.run(
        [sys.executable, "-W", "error", str(_FOREIGN), os.environ["THREADMILL_REDIS_URL"]],
        input="\n".join(json.dumps(message) for message in messages),
        text=True,
        timeout=60,
        check=True,
    )


def say(id: str, **kwargs: Any) -> dict[str, Any]:
    return {"task": "threadmill.say", "id": id, "kwargs": kwargs}


def run(id: str, **kwargs: Any) -> dict[str, Any]:
    return {"task": "threadmill.run", "id": id, "kwargs": kwargs}
