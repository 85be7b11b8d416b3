"""Gateways that are killed, frozen and ended at random, and started again on their ports."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.chaos import subprocesses
from tests.support.paths import BOTS
from tests.support.servers.ports import free_port

FAULTS = ("SIGKILL", "SIGKILL", "SIGSTOP", "SIGTERM")
MEAN_PAUSE, LONGEST_FREEZE = 1.2, 3.0
"""Seconds."""
_LOOK_SECONDS = 0.1


class Gateways:
    """So many, each with a port of its own."""

    def __init__(self, count: int, seed: str, folder: Path) -> None:
        """All are started; the environment says where Redis is."""
        self._dice = random.Random(f"{seed}/gateways")
        self._folder = folder
        self._ports = [free_port() for _ in range(count)]
        self._all = {port: self._start(port) for port in self._ports}
        self.counts: Counter[str] = Counter()

    @property
    def urls(self) -> list[str]:
        """Where they listen, now or soon."""
        return [f"http://127.0.0.1:{port}" for port in self._ports]

    def _start(self, port: int) -> subprocess.Popen[bytes]:
        with (self._folder / f"gateway-{port}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "threadmill", "serve", "--port", str(port)],
                cwd=BOTS,
                env=dict(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def supervise(self) -> None:
        """Replace those that have ended, for ever."""
        while True:
            for port, process in self._all.items():
                if process.poll() is not None:
                    self._all[port] = self._start(port)
            await asyncio.sleep(_LOOK_SECONDS)

    async def disturb(self) -> None:
        """Fault after fault, for ever; one gateway at a time."""
        while True:
            await asyncio.sleep(self._dice.expovariate(1 / MEAN_PAUSE))
            port, fault = self._dice.choice(self._ports), self._dice.choice(FAULTS)
            process = self._all[port]
            if process.poll() is not None:
                continue
            self.counts[fault] += 1
            process.send_signal(signal.Signals[fault])
            if fault == "SIGSTOP":
                try:
                    await asyncio.sleep(self._dice.uniform(0.5, LONGEST_FREEZE))
                finally:
                    process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End them all."""
        for process in self._all.values():
            subprocesses.end(process)
