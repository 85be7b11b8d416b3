"""Sends tasks as a service does that has Celery and not threadmill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.support.paths import SCRIPTS

_PROGRAM = SCRIPTS / "foreign.py"


def send_tasks(*messages: dict[str, Any]) -> None:
    """Send tasks from a process that has no threadmill; see `scripts/foreign.py`."""
    subprocess.run(
        [sys.executable, "-W", "error", str(_PROGRAM), os.environ["THREADMILL_REDIS_URL"]],
        input="\n".join(json.dumps(message) for message in messages),
        text=True,
        timeout=60,
        check=True,
    )


def say_task(id: str, **kwargs: Any) -> dict[str, Any]:
    return {"task": "threadmill.say", "id": id, "kwargs": kwargs}


def run_task(id: str, **kwargs: Any) -> dict[str, Any]:
    return {"task": "threadmill.run", "id": id, "kwargs": kwargs}
