"""A primary with its replica, and sentinels that watch them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until


class ReplicatedRedis:
    """A primary and its replica, which has all that the primary has when this is entered."""

    def __init__(self, folder: Path) -> None:
        for name in ("primary", "replica"):
            (folder / name).mkdir()
        # By default a primary waits 5 s for further replicas before it sends its data.
        options = ("--repl-diskless-sync-delay", "0", "--repl-timeout", "60")
        self.primary = RedisServer(folder / "primary", options=options)
        self._folder = folder / "replica"
        self._options = options

    def __enter__(self) -> Self:
        self.primary.start()
        following = ("--replicaof", "127.0.0.1", str(self.primary.port))
        self.replica = RedisServer(self._folder, options=(*self._options, *following))
        self.replica.start()
        wait_until(self.is_replicated, "the replica follows its primary", 20)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.resume_replica()
        self.replica.stop()
        self.primary.stop()

    def is_replicated(self) -> bool:
        """Whether the replica has all that the primary has."""
        with contextlib.closing(redis.Redis(port=self.primary.port)) as client:
            found = client.info("replication")
        replica = found.get("slave0", {})
        at = found["master_repl_offset"]
        return bool(replica.get("state") == "online" and replica["offset"] == at)

    def pause_replica(self) -> None:
        """Nothing that is written from now on reaches the replica; its connection stays open."""
        os.kill(self.replica.pid, signal.SIGSTOP)

    def resume_replica(self) -> None:
        os.kill(self.replica.pid, signal.SIGCONT)


class _Sentinel(RedisServer):
    """Watches a primary, and promotes its replica a second after it is gone."""

    def __init__(self, folder: Path, primary_port: int) -> None:
        folder.mkdir()
        super().__init__(folder)
        self._primary_port = primary_port

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        name = SentinelFleet.SERVICE
        lines = [
            *(f"port {port}", "bind 127.0.0.1", f"dir {self._folder}"),
            f"sentinel monitor {name} 127.0.0.1 {self._primary_port} 2",
            f"sentinel down-after-milliseconds {name} 1000",
            f"sentinel failover-timeout {name} 3000",
        ]
        configuration = self._folder / "sentinel.conf"  # which it writes to
        configuration.write_text("\n".join(lines) + "\n")
        command = [self._program, str(configuration), "--sentinel"]
        with (self._folder / "redis.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


class SentinelFleet(ReplicatedRedis):
    """A primary, its replica, and three sentinels that know each other."""

    SERVICE = "main"

    def __enter__(self) -> Self:
        super().__enter__()
        self._sentinels = [
            _Sentinel(self._folder.parent / f"sentinel-{at}", self.primary.port) for at in range(3)
        ]
        for sentinel in self._sentinels:
            sentinel.start()
        wait_until(self._is_complete, "the sentinels know each other", 20)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for sentinel in self._sentinels:
            sentinel.stop()
        super().__exit__(kind, error, at)

    @property
    def sentinel_ports(self) -> list[int]:
        return [sentinel.port for sentinel in self._sentinels]

    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinel_ports)
        return f"redis+sentinel://{hosts}/{self.SERVICE}/0"

    def has_failed_over(self) -> bool:
        """Whether the sentinels name the replica as the primary."""
        return all(self._told(s)["port"] == self.replica.port for s in self._sentinels)

    def detach_replica(self) -> None:
        """What is written from now on is lost when the replica is promoted."""
        with contextlib.closing(redis.Redis(port=self.replica.port)) as client:
            client.replicaof("NO", "ONE")

    def _is_complete(self) -> bool:
        known = [self._told(sentinel) for sentinel in self._sentinels]
        return all(k["num-other-sentinels"] == 2 and k["num-slaves"] == 1 for k in known)

    def _told(self, sentinel: RedisServer) -> dict[str, Any]:
        with contextlib.closing(redis.Redis(port=sentinel.port)) as client:
            told: dict[str, Any] = client.sentinel_master(self.SERVICE)
        return told
