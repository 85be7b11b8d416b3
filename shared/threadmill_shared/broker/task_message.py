"""A task's message in the form in which kombu writes it to Redis.

Celery and kombu take ten times as long for one message as Redis does, most of it for what is the
same in each. `tests/unit/test_task_message.py` compares these messages with theirs.
"""

from __future__ import annotations

import base64
import os
import socket
import uuid
from collections.abc import Sequence
from functools import lru_cache

from pydantic_core import to_json

_NO_CALLBACKS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def task_message(task: str, args: Sequence[str | int], *, queue: str, task_id: str) -> bytes:
    """The message that sends a task to a queue of the nameless exchange.

    Args:
        task: its name.
        args: its arguments.
        queue: where the message will lie.
        task_id: the task's id.
    """
    body = to_json([args, {}, _NO_CALLBACKS])
    return to_json(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": _headers(task, args, task_id),
            "properties": {
                "correlation_id": task_id,
                "reply_to": "",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid.uuid4()),
            },
        }
    )


def _headers(task: str, args: Sequence[str | int], task_id: str) -> dict[str, object]:
    return {
        "lang": "py",
        "task": task,
        "id": task_id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": task_id,
        "parent_id": None,
        "argsrepr": repr(list(args)),
        "kwargsrepr": "{}",
        "origin": f"gen{os.getpid()}@{_host_name()}",
        "ignore_result": None,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }


@lru_cache
def _host_name() -> str:
    return socket.gethostname()
