"""Programs that a test executes to their end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.paths import SCRIPTS

STRICT = (sys.executable, "-W", "error")
"""Python with warnings as errors; a script, or `-c` and its source, follows."""
COMMAND = (sys.executable, "-m", "threadmill")
"""The command line, whatever is on the PATH."""


def run_command(
    *command: str,
    folder: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    typed: str = "",
    seconds: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """Execute a program to its end; what it printed, and its exit code.

    Args:
        folder: its current folder.
        environment: all of its variables.
        typed: what it reads from its standard input.
        seconds: how long it may take.
    """
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def run_threadmill(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Execute a command of threadmill's with these settings beside the test's own."""
    return run_command(*COMMAND, *words, environment=os.environ | settings)


def run_script(
    name: str,
    *arguments: str,
    folder: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Execute a program of `tests/acceptance/scripts` that succeeds; what it printed."""
    script = str(SCRIPTS / f"{name}.py")
    ended = run_command(*STRICT, script, *arguments, folder=folder, environment=environment)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return ended.stdout
