"""Redis servers for tests: real ones, each on a port of its own, in a folder of its own."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from tests.support.servers.ports import free_port
from tests.support.servers.programs import default_kind, server_program
from tests.support.waiting import wait_until

DATABASES = 64
"""Each test takes the next database, so a process left over from another test cannot meddle."""


class RedisServer:
    """One server; it keeps its port, so that it can be stopped and started again."""

    def __init__(
        self,
        folder: Path,
        kind: str | None = None,
        *,
        appendonly: bool = False,
        options: Sequence[str] = (),
        cluster: bool = False,
        wrapper: Sequence[str] = (),
    ) -> None:
        """A server that is not started yet; `wrapper` goes before its command, and becomes it."""
        self._folder = folder
        self._program = server_program(kind or default_kind())
        self._appendonly = appendonly
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._database = -1
        self._is_clustered = cluster
        self._wrapper = wrapper
        self.port = 0
        self.bus_port = 0
        self.password: str | None = None
        """What it requires from its next start on; not a part of its URL."""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, database: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def fresh_database(self) -> str:
        """The URL of an empty database."""
        self._database = (self._database + 1) % DATABASES
        with self.connected(self._database) as client:
            client.flushdb()
        return self.url(self._database)

    @contextlib.contextmanager
    def connected(self, database: int = 0) -> Iterator[Any]:
        """A client of this server."""
        client = self._client(self.port, db=database, decode_responses=True, **self._login())
        with contextlib.closing(client):
            yield client

    def version(self) -> str:
        """The program's name and version."""
        with self.connected() as client:
            info = client.info("server")
        if "valkey_version" in info:
            return f"Valkey {info['valkey_version']}"
        return f"Redis {info['redis_version']}"

    def start(self) -> None:
        for _ in range(5):  # another process may take the port in between
            if self._starts_on(self.port or free_port()):
                return
        log = (self._folder / "redis.log").read_text()
        raise RuntimeError(f"the Redis server does not start:\n{log[-2000:]}")

    def stop(self) -> None:
        """Let it end in order; it writes what it has to."""
        self._end(subprocess.Popen.terminate)

    def kill(self) -> None:
        self._end(subprocess.Popen.kill)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def _starts_on(self, port: int) -> bool:
        self._process = self._spawn(port)
        wait_until(lambda: self._answers(port) or self._ended(), "Redis answers or gives up")
        if self._ended():
            return False
        self.port = port
        return True

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        command = [*self._wrapper, self._program, *self._port_options(port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self._folder), "--databases", str(DATABASES), "--save", ""]
        command += ["--appendonly", "yes" if self._appendonly else "no", *self._options]
        if self.password:
            command += ["--requirepass", self.password]
        if self._is_clustered:
            # By default 10,000 above the other one, where nobody has looked whether it is free.
            self.bus_port = self.bus_port or free_port()
            command += ["--cluster-enabled", "yes", "--cluster-port", str(self.bus_port)]
        with (self._folder / "redis.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _port_options(self, port: int) -> list[str]:
        return ["--port", str(port)]

    def _client(self, port: int, **options: Any) -> Any:
        return redis.Redis(port=port, **options)

    def _login(self) -> dict[str, str]:
        return {"password": self.password} if self.password else {}

    def _answers(self, port: int) -> bool:
        asking = self._client(port, socket_timeout=1, **self._login())
        with contextlib.closing(asking) as client:
            try:
                client.ping()  # it is refused as long as the data are being loaded
                return bool(client.info("server")["process_id"] == self.pid)
            except (redis.ConnectionError, redis.TimeoutError):
                return False

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self._process is not None and not self._ended():
            how(self._process)
            self._process.wait(10)
