"""A gateway, and the application that it is compared with, as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from harness.ended import ended
from harness.failure import MeasurementFailedError

CONSTANT = "Starlette, constants"
"""The peer's name."""
_MANY = {"THREADMILL_GATEWAY_STREAMS": "4000", "THREADMILL_GATEWAY_REQUESTS": "4000"}


class HttpServer(NamedTuple):
    """A server that answers."""

    pid: int
    url: str

    @property
    def port(self) -> int:
        """On which it listens."""
        return int(self.url.rpartition(":")[2])


@contextmanager
def gateway(**settings: str) -> Iterator[HttpServer]:
    """A gateway of the measurement's Redis.

    Raises:
        MeasurementFailedError: it does not start.
    """
    command = ["-m", "threadmill", "serve", "--port", "0", "--log-level", "WARNING"]
    with _started(command, _MANY | settings) as (process, line):
        yield HttpServer(process.pid, line.partition("base URL ")[2].partition("/v1")[0])


@contextmanager
def constant_server() -> Iterator[HttpServer]:
    """A server of constants.

    Raises:
        MeasurementFailedError: it does not start.
    """
    with _started(["-m", "processes.constant_app"], {}) as (process, line):
        yield HttpServer(process.pid, line.strip())


@contextmanager
def _started(
    command: Sequence[str], environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process, and the line in which it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, *command],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    with ended(process):
        assert process.stdout is not None
        line = process.stdout.readline()
        if "http://" not in line:
            raise MeasurementFailedError(f"{' '.join(command)} does not start: {line}")
        yield process, line
