"""Sends tasks as a service does that has Celery and not threadmill."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.support.paths import SCRIPTS
from tests.support.processes.commands import STRICT, run_command

_PROGRAM = SCRIPTS / "foreign.py"


def send_tasks(*messages: dict[str, Any]) -> None:
    """Send tasks from a process that has no threadmill; see `scripts/foreign.py`."""
    typed = "\n".join(json.dumps(message) for message in messages)
    url = os.environ["THREADMILL_REDIS_URL"]
    run_command(*STRICT, str(_PROGRAM), url, typed=typed).check_returncode()


def say_task(id: str, **kwargs: Any) -> dict[str, Any]:
    return {"task": "threadmill.say", "id": id, "kwargs": kwargs}


def run_task(id: str, **kwargs: Any) -> dict[str, Any]:
    return {"task": "threadmill.run", "id": id, "kwargs": kwargs}
