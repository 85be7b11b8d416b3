"""Gateways, started by their command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.api_answers.checks import AnswerChecks
from tests.support.api_answers.recording_gateway import ANSWERS
from tests.support.paths import BOTS, ROOT
from tests.support.waiting import wait_until

_START_SECONDS = 30.0
_END_SECONDS = 10.0


class GatewayProcess:
    """One `threadmill serve` process."""

    def __init__(self, log: Path, arguments: tuple[str, ...], **environment: str) -> None:
        """Start it on a free port; beside its log is a file with all that it answers."""
        self._log = log
        self.answers = log.with_suffix(".answers")
        program = ["-m", "tests.support.api_answers.recording_gateway"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, *program, "serve", "--port", "0", *arguments],
                cwd=BOTS,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    ANSWERS: str(self.answers),
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def url(self) -> str:
        """Its base URL, once its ready line has been written; else empty."""
        found = re.search(r"base URL (http://\S+)/v1", self.log())
        return found[1] if found else ""

    @property
    def pid(self) -> int:
        return self._process.pid

    def log(self) -> str:
        """Its output so far."""
        return self._log.read_text()

    def wait_ready(self) -> None:
        wait_until(lambda: self.url or self.has_ended(), "the gateway is ready", _START_SECONDS)
        assert self.url, f"the gateway has ended:\n{self.log()}"

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def terminate(self) -> None:
        """Ask it to end: SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It does nothing during the block, and its connections stay open."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def wait(self) -> int:
        """Wait for its end; returns its exit code."""
        return self._process.wait(_END_SECONDS)

    def ends(self) -> bool:
        """Whether it ends, having been asked to."""
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            return False
        return True


class Gateways:
    """Starts gateways, and ends them all at the end of its `with` block.

    Then all that they have answered is compared with OpenAI's types and its OpenAPI document.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._all: list[GatewayProcess] = []

    def start(self, *arguments: str, **environment: str) -> GatewayProcess:
        """Start one, and wait until it is ready."""
        log = self._logs / f"gateway-{len(self._all)}.log"
        gateway = GatewayProcess(log, arguments, **environment)
        self._all.append(gateway)
        gateway.wait_ready()
        return gateway

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for gateway in self._all:
            gateway.terminate()
        stuck = [gateway.pid for gateway in self._all if not gateway.ends()]
        print(*(gateway.log() for gateway in self._all))  # pytest shows it where a test fails
        assert not stuck, f"SIGTERM did not end {stuck}"
        checks = AnswerChecks()
        for gateway in self._all:
            checks.check_file(gateway.answers)
        assert not checks.violations, _listed(checks.violations)


def _listed(violations: dict[str, str]) -> str:
    lines = (f"{where}\n    {found}" for found, where in violations.items())
    return "\n".join(["Answers differ from OpenAI's:", *lines])
