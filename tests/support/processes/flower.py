"""Flower as a process of its own, with the settings that the test has."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.servers.ports import free_port
from tests.support.waiting import wait_until

CREDENTIAL = "operator:correct-horse"


@dataclass(frozen=True)
class Flower:
    """A Flower that was started, as its API's user sees it."""

    port: int

    def ask(self, path: str, method: str = "GET", credential: str = CREDENTIAL) -> tuple[int, str]:
        """The answer's status (0: nobody answers) and text."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        request.add_header(
            "Authorization", f"Basic {base64.b64encode(credential.encode()).decode()}"
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except urllib.error.URLError:
            return 0, ""

    def tasks(self) -> dict[str, dict[str, Any]]:
        tasks: dict[str, dict[str, Any]] = json.loads(self.ask("/api/tasks")[1] or "{}")
        return tasks

    def workers(self) -> list[str]:
        """Names of the workers whose heartbeat events it has seen."""
        return list(json.loads(self.ask("/api/workers?status=1")[1] or "{}"))


@contextmanager
def running_flower(folder: Path) -> Iterator[Flower]:
    """A Flower that answers; it logs all that it can into `folder/flower.log`."""
    port = free_port()
    settings = {"FLOWER_PORT": str(port), "FLOWER_BASIC_AUTH": CREDENTIAL, "FLOWER_DEBUG": "true"}
    with (folder / "flower.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "threadmill_workers.flower", "--logging=debug"],
            cwd=folder,
            env=os.environ | settings,
            stdout=log,
            stderr=log,
        )
    try:
        flower = Flower(port)
        wait_until(lambda: flower.ask("/api/tasks")[0] == 200, "Flower answers", 30)
        yield flower
    finally:
        process.terminate()
        process.wait(10)
