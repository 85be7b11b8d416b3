"""A Redis and a stand-in provider for one measurement."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from harness.ended import ended

from threadmill.embedded.server import find_program


@contextmanager
def start_redis() -> Iterator[str]:
    """A Redis without persistence; gives its URL."""
    port = free_port()
    folder = tempfile.mkdtemp(prefix="threadmill-bench-")
    command = [find_program(), "--port", str(port), "--save", "", "--dir", folder]
    quiet = subprocess.DEVNULL
    with ended(subprocess.Popen([*command, "--bind", "127.0.0.1"], stdout=quiet, text=True)):
        client = redis.Redis(port=port)
        _wait_until(client)
        client.close()
        yield f"redis://127.0.0.1:{port}/0"
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def start_standin() -> Iterator[str]:
    """The stand-in provider in a process of its own; gives its URL."""
    command = [sys.executable, "-m", "threadmill.testing.standin", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with ended(process):
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_until(client: redis.Redis) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            client.ping()
        except redis.ConnectionError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError("Redis did not start")
