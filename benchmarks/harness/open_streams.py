"""Streams that are open: who reads them, and who writes what they show."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from harness.cpu import Stopwatch, cpu_seconds
from harness.ended import ended
from harness.http_servers import HttpServer
from harness.load import enqueue_all
from harness.store import connected
from harness.waiting import wait_until

_MESSAGE_BEGUN = '["r","in_progress",{"started_at":%d,"expires_at":%d}],["mb",0,0]'
_EVENTS = 7
"""Of a run that was created and queued, has begun, and has begun a message."""


class AnsweringRun(NamedTuple):
    """A run in mid-answer."""

    id: str
    thread_id: str


class Read(NamedTuple):
    """What clients have read."""

    events: int
    size: int
    begun: int


class Clients:
    """A process that reads streams."""

    def __init__(self, process: subprocess.Popen[str], streams: int) -> None:
        self.streams = streams
        self._process = process

    def read(self) -> Read:
        """What has come so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Read(*map(int, self._process.stdout.readline().split()))

    def cpu_per_event(self, server: HttpServer, seconds: float) -> float:
        """Microseconds of the server's CPU for each event.

        Raises:
            RuntimeError: no events have come.
        """
        watch, before = Stopwatch(lambda: cpu_seconds(server.pid)), self.read()
        time.sleep(seconds)
        cpu, after = watch.cpu, self.read()
        events = after.events - before.events
        if not events:
            raise RuntimeError("the streams bring no events")
        return cpu / events * 1e6


@contextmanager
def clients_of(server: HttpServer, paths: Sequence[str]) -> Iterator[Clients]:
    """Clients of these streams, each of which has begun."""
    with _file(paths) as name:
        command = ["-m", "processes.stream_reader", str(server.port), name]
        process = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with ended(process):
            clients = Clients(process, len(paths))
            wait_until(lambda: clients.read().begun == len(paths), "the streams", 0.1)
            yield clients


@contextmanager
def writer(run_ids: Sequence[str], rate: float) -> Iterator[None]:
    """Writes so many events a second into the log of each of these runs."""
    with _file(run_ids) as name:
        command = [sys.executable, "-m", "processes.event_writer", name, str(rate)]
        with ended(subprocess.Popen(command, text=True)):
            yield


def answering_runs(count: int) -> list[AnsweringRun]:
    """Runs in mid-answer that no worker executes."""
    runs = enqueue_all(count, "hello")
    now = int(time.time() * 1000)
    pipeline = connected().pipeline(transaction=False)
    for run in runs:
        bucket = f"threadmill:{{{run.id[4:6]}}}:"
        begun = _MESSAGE_BEGUN % (now, now + 600_000)
        record = {"status": "in_progress", "started_at": now, "events": _EVENTS}
        pipeline.hset(f"{bucket}run:{run.id}", mapping=record)
        pipeline.xadd(f"{bucket}log:{run.id}", {"e": begun, "t": now}, id=_EVENTS)
    pipeline.execute()
    return [AnsweringRun(run.id, run.thread_id) for run in runs]


@contextmanager
def _file(lines: Sequence[str]) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        Path(file.name).write_text("\n".join(lines))
        yield file.name
