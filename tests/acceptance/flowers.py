"""Flower as a process of its own, with the settings of the test's surroundings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.test_operated import CREDENTIAL, Flower
from tests.support.ports import free_port
from tests.support.waiting import wait_until


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
