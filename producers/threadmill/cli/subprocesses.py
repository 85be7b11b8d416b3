"""Processes that a command starts, and that are gone when it ends, whatever happens."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from threadmill.cli import signals

_REMEMBERED = 50
"""Last lines of a child's output, for an error that quotes them."""
_LAST_LINES_SECONDS = 1.0
"""How long output is read after the end; a process outside the group may keep the pipe open."""


class ChildProcess:
    """A process in a process group of its own: a Ctrl-C in the terminal reaches its parent only."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        on_line: Callable[[str], None],
        environment: Mapping[str, str] | None,
        folder: Path | None,
    ) -> None:
        self.name = name
        self._on_line = on_line
        self.over = threading.Event()
        """Set when it has ended, and all its output has been handed on."""
        self._lines: deque[str] = deque(maxlen=_REMEMBERED)
        self._changed = threading.Condition()
        self._process = subprocess.Popen(  # noqa: S603  our own programs
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            process_group=0,
        )
        self._reader = threading.Thread(target=self._read, name=f"{name}-output", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait(self) -> int:
        """Wait for its end, and end what it may have left in its group; returns its exit code."""
        code = self._process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._reader.join(_LAST_LINES_SECONDS)
        with self._changed:
            self.over.set()
            self._changed.notify_all()
        return code if code >= 0 else 128 - code

    def send(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        self._process.send_signal(number)

    def line_with(self, words: str, timeout: float) -> str | None:
        """Wait for a line of its output with these words in it.

        Returns None if it ended first, or `timeout` seconds have passed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._find(words) or self.over.is_set(), timeout)
            return self._find(words)

    def output(self) -> str:
        """The last lines of its output."""
        with self._changed:
            return "\n".join(self._lines)

    def _find(self, words: str) -> str | None:
        return next((line for line in self._lines if words in line), None)

    def _read(self) -> None:
        for raw in self._process.stdout or ():
            line = raw.decode(errors="replace").rstrip("\r\n")
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
            self._on_line(line)


class ChildProcesses:
    """Starts processes, and ends them all at the end of its `with` block.

    SIGTERM first; SIGKILL after `grace` seconds, or when a third signal asks for it.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._is_hurried = False
        self._children: list[ChildProcess] = []
        self._ended: queue.SimpleQueue[tuple[ChildProcess, int]] = queue.SimpleQueue()

    def start(
        self,
        name: str,
        command: Sequence[str],
        on_line: Callable[[str], None] = lambda _: None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> ChildProcess:
        """Start a process; each line of its output is given to `on_line`, in a thread."""
        with signals.deferred():
            child = ChildProcess(name, command, on_line, environment, folder)
            self._children.append(child)
            threading.Thread(target=self._wait_for, args=(child,), name=name, daemon=True).start()
        return child

    def _wait_for(self, child: ChildProcess) -> None:
        self._ended.put((child, child.wait()))

    def first_to_end(self) -> tuple[ChildProcess, int]:
        """Wait until one of them has ended; returns it and its exit code."""
        return self._ended.get()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with signals.handling(self._hurry):
            self._signal(signal.SIGTERM)
            until = time.monotonic() + self._grace
            for child in self._children:
                child.over.wait(max(until - time.monotonic(), 0))
            self._signal(signal.SIGKILL)
            for child in self._children:
                child.over.wait()

    def _hurry(self, _number: int) -> None:
        # A worker gives its runs back at its second signal; whoever sends a third is in earnest.
        self._signal(signal.SIGKILL if self._is_hurried else signal.SIGTERM)
        self._is_hurried = True

    def _signal(self, number: int) -> None:
        for child in self._children:
            child.send(number)
