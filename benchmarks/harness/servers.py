"""A Redis and a stand-in provider for one measurement."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import redis
from harness.ended import ended
from harness.failure import MeasurementFailedError

from threadmill.embedded.server import find_program

_ATTEMPTS = 3
"""Another process may take the port before Redis does."""
_START_SECONDS = 10.0


@contextmanager
def start_redis() -> Iterator[str]:
    """A Redis without persistence; gives its URL.

    Raises:
        MeasurementFailedError: it does not start.
    """
    temporary = tempfile.TemporaryDirectory(prefix="threadmill-bench-", ignore_cleanup_errors=True)
    with temporary as name, ExitStack() as stack:
        folder = Path(name).resolve()
        for _ in range(_ATTEMPTS):
            port = free_port()
            if _is_ready(stack.enter_context(ended(_launch(port, folder))), port, folder):
                break
        else:
            said = _log(folder).read_text().strip()
            raise MeasurementFailedError(f"{find_program()} does not start:\n{said}")
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def start_standin() -> Iterator[str]:
    """The stand-in provider in a process of its own; gives its URL.

    Raises:
        MeasurementFailedError: it does not start.
    """
    command = [sys.executable, "-m", "threadmill.testing.standin", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with ended(process):
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise MeasurementFailedError("the stand-in provider does not start")
        yield line.split()[-1]


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _launch(port: int, folder: Path) -> subprocess.Popen[str]:
    command = [find_program(), "--port", str(port), "--save", "", "--dir", str(folder)]
    with _log(folder).open("a") as log:
        return subprocess.Popen(
            [*command, "--bind", "127.0.0.1"], stdout=log, stderr=log, text=True
        )


def _log(folder: Path) -> Path:
    return folder / "redis.log"


def _is_ready(process: subprocess.Popen[str], port: int, folder: Path) -> bool:
    """Wait until it answers; False if it ends before, or does not answer."""
    until = time.monotonic() + _START_SECONDS
    with closing(redis.Redis(port=port, decode_responses=True, socket_timeout=1)) as client:
        while process.poll() is None and time.monotonic() < until:
            if _is_in(client, folder):
                return True
            time.sleep(0.02)
    return False


def _is_in(client: redis.Redis, folder: Path) -> bool:
    """Whether the server of this folder answers: what is measured empties its Redis."""
    try:
        return bool(client.config_get("dir") == {"dir": str(folder)})
    except redis.RedisError:
        return False
