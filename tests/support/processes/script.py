"""A script that goes on beside the test."""

from __future__ import annotations

import os
import signal
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path

from tests.support.paths import SCRIPTS
from tests.support.processes.commands import STRICT


class Script:
    """A Python script, run as a process of its own that takes part as a producer."""

    def __init__(
        self,
        *command: str,
        folder: Path | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Start it; `command` is what follows `python`."""
        self._process = subprocess.Popen(
            [*STRICT, *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @classmethod
    def of_source(cls, source: str, *arguments: str) -> Script:
        """Start a script that has no file."""
        return cls("-c", textwrap.dedent(source), *arguments)

    @classmethod
    def of_file(
        cls, name: str, *arguments: str, folder: Path, environment: Mapping[str, str]
    ) -> Script:
        """Start a program of `tests/acceptance/scripts`."""
        script = str(SCRIPTS / f"{name}.py")
        return cls(script, *arguments, folder=folder, environment=environment)

    @property
    def pid(self) -> int:
        return self._process.pid

    def line(self) -> str:
        """Its next line of output."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def write(self, line: str = "") -> None:
        """A line for its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def finish(self, timeout: float = 30.0) -> str:
        """Wait for its end in order, and return what is left of its output."""
        output, _ = self.end(timeout)
        return output

    def end(self, timeout: float = 30.0) -> tuple[str, str]:
        """Wait for its end in order; what is left of its output, and what it wrote to stderr."""
        try:
            output, errors = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            output, errors = self._process.communicate()
            raise AssertionError(f"still running:\n{output}\n{errors}") from None
        assert self._process.returncode == 0, f"{self._process.returncode}:\n{errors}"
        return output, errors
