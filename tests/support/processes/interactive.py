"""A process at a terminal, and somebody who types."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

# The terminal becomes the process's own, so that Ctrl-C reaches it as a signal.
_OWN_TERMINAL = (
    "import fcntl, os, sys, termios\n"
    "os.setsid()\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)


class InteractiveProcess:
    """A process whose stdin, stdout and stderr are a terminal."""

    def __init__(
        self,
        *command: str,
        columns: int = 70,
        rows: int = 60,
        folder: Path | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._terminal = Terminal(columns, rows)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _OWN_TERMINAL, *command],
            cwd=folder,
            stdin=self._terminal.stream,
            stdout=self._terminal.stream,
            stderr=self._terminal.stream,
            env={**environment, "TERM": "xterm-256color", "PYTHONWARNINGS": "error"},
        )

    def press(self, keys: str) -> None:
        os.write(self._terminal.master, keys.encode())

    def text(self) -> str:
        """What is to be seen."""
        if self._process.poll() is not None:
            return self._terminal.text()
        # The terminal's mark could get lost: it throws away what it has not shown yet at Ctrl-C.
        return "\n".join(self._terminal.emulator.lines())

    def wait_for(self, *texts: str, seconds: float = 20.0) -> None:
        """Wait until all of these are to be seen."""
        wait_until(lambda: all(one in self.text() for one in texts), f"{texts} is shown", seconds)

    def wait_for_prompt(self) -> None:
        """Wait until it asks for the next line."""
        wait_until(lambda: self.text().splitlines()[-1:] == [">"], "the prompt is shown", 20)

    def ends(self, seconds: float = 10.0) -> int:
        """Its exit code."""
        return self._process.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            print(self.text())
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._terminal.close()
