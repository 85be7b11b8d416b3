"""Producers and the provider: processes of this test's own modules."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LOOK_SECONDS = 0.1
_END_SECONDS = 10.0


def start(module: str, *arguments: str, errors: Path) -> subprocess.Popen[str]:
    """Start `python -m tests.chaos.<module>`."""
    with errors.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"tests.chaos.{module}", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def first_line(process: subprocess.Popen[str]) -> str:
    """What it prints when it is ready; empty if it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[Any]) -> None:
    """SIGTERM, and SIGKILL if that does not help."""
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _close_output(process)


class Producers:
    """Producers that are started again whenever they die, until all that they began is said."""

    def __init__(self, count: int, start_one: Callable[[str, bool], subprocess.Popen[str]]) -> None:
        """`start_one` takes a name, and whether it is only to end what it had begun."""
        self._start_one = start_one
        self._all = {name: start_one(name, False) for name in (f"p{n}" for n in range(count))}
        self.deaths = 0
        self._is_stopping = False

    async def supervise(self) -> None:
        """Replace those that have died, for ever."""
        while True:
            for name, process in self._all.items():
                if process.poll():
                    self.deaths += 1
                    _close_output(process)
                    self._all[name] = self._start_one(name, self._is_stopping)
            await asyncio.sleep(_LOOK_SECONDS)

    def doom(self, victim: int) -> None:
        """Have one of them die between the write and the send of a run."""
        processes = list(self._all.values())
        processes[victim % len(processes)].send_signal(signal.SIGUSR1)

    def stop(self) -> None:
        """Have them say no more."""
        self._is_stopping = True
        for process in self._all.values():
            process.terminate()

    def have_stopped(self) -> bool:
        return all(process.poll() == 0 for process in self._all.values())

    def close(self) -> None:
        for process in self._all.values():
            end(process)


def _close_output(process: subprocess.Popen[Any]) -> None:
    if process.stdout is not None:
        process.stdout.close()
