"""The example's service with its page, as users start it on a fleet."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.support.paths import ROOT
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_until

FOLDER = ROOT / "examples" / "chat_page"
_START_SECONDS = 30.0
_END_SECONDS = 10.0


class ChatPage:
    """The service at one port, which it keeps when it is started anew."""

    def __init__(self, log: Path) -> None:
        """It is started by `with`."""
        self.port = free_port()
        self._log = log

    def start(self) -> None:
        """Start it, and wait until it listens."""
        options = ["--port", str(self.port), "--timeout-graceful-shutdown", "1"]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "web:app", *options],
                cwd=FOLDER,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        wait_until(self._listens, "the page is served", _START_SECONDS)

    def _listens(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """End it as a deployment does: SIGTERM."""
        self._process.terminate()
        self._process.wait(_END_SECONDS)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(_END_SECONDS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        print(self._log.read_text())  # pytest shows it where a test fails
