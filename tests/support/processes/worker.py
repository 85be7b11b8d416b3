"""Workers, started by their command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from tests.support.paths import BOTS
from tests.support.waiting import wait_until

_START_SECONDS = 30.0
_END_SECONDS = 10.0


class Worker:
    """One `threadmill worker` process."""

    def __init__(
        self,
        log: Path,
        modules: tuple[str, ...],
        folder: Path,
        environment: Mapping[str, str],
        prefix: tuple[str, ...] = (),
        python: str = sys.executable,
        options: tuple[str, ...] = (),
    ) -> None:
        """Start it; `prefix` goes before its command, and becomes it."""
        self._log = log
        command = [*prefix, python, "-m", "threadmill", "worker", *options, *modules]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "PYTHONFAULTHANDLER": "1", **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def name(self) -> str:
        """`host:pid`, as its ready line has it."""
        ready = r'^(?:\{.*"message": ")?worker (\S+) (?:ready|has no assistant)'  # it may be JSON
        found = re.search(ready, self.log(), re.MULTILINE)
        return found[1] if found else ""

    @property
    def rss(self) -> int:
        """Bytes of memory that it has."""
        resident: int = psutil.Process(self.pid).memory_info().rss
        return resident

    def log(self) -> str:
        """Its output so far."""
        return self._log.read_text()

    def log_since(self, before: str) -> str:
        """What has come since its log was this."""
        return self.log()[len(before) :]

    def wait_ready(self) -> None:
        wait_until(lambda: self.name or self.has_ended(), "the worker is ready", _START_SECONDS)
        assert self.name, f"the worker has ended:\n{self.log()}"

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def exit_code(self) -> int | None:
        """None: it has not ended."""
        return self._process.poll()

    def terminate(self) -> None:
        """Ask it to end: SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP: it does nothing more, and its connections stay open."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def ends(self) -> bool:
        """Whether it ends, having been asked to. Else its log will tell what its threads did."""
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)
            self._process.wait()
            return False
        return True


class Workers:
    """Starts workers, and ends them all at the end of its `with` block."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._all: list[Worker] = []

    def start(
        self,
        module: str,
        count: int = 1,
        folder: Path = BOTS,
        python: str = sys.executable,
        options: tuple[str, ...] = (),
        **environment: str,
    ) -> list[Worker]:
        """Start workers that load `folder/module.py`, and wait until they are ready."""
        started = []
        for _ in range(count):
            log = self._logs / f"worker-{len(self._all)}.log"
            worker = Worker(log, (module,), folder, environment, python=python, options=options)
            self._all.append(worker)
            started.append(worker)
        for worker in started:
            worker.wait_ready()
        return started

    def kill_all(self) -> None:
        """Kill those that have not ended."""
        for worker in self._all:
            if not worker.has_ended():
                worker.kill()

    def logs(self) -> str:
        """The output of all of them."""
        return "".join(worker.log() for worker in self._all)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for worker in self._all:
            worker.terminate()
        stuck = [worker.name for worker in self._all if not worker.ends()]
        print(self.logs())  # pytest shows it where a test fails
        assert not stuck, f"SIGTERM did not end {stuck}"
