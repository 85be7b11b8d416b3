"""Redis servers for tests: real ones, each on a port of its own, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from tests.support.ports import free_port
from tests.support.programs import default_kind, server_program
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
    ) -> None:
        self._folder = folder
        self._program = server_program(kind or default_kind())
        self._appendonly = appendonly
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._database = -1
        self._is_clustered = cluster
        self.port = 0
        self.bus_port = 0

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
        client = self._client(self.port, db=database, decode_responses=True)
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
        command = [self._program, *self._port_options(port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self._folder), "--databases", str(DATABASES), "--save", ""]
        command += ["--appendonly", "yes" if self._appendonly else "no", *self._options]
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

    def _answers(self, port: int) -> bool:
        with contextlib.closing(self._client(port, socket_timeout=1)) as client:
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


class ClusterOfOneShard:
    """The smallest Redis Cluster: a node that has all slots, and one that follows it."""

    def __init__(self, folder: Path) -> None:
        options = ("--cluster-enabled", "yes", "--repl-diskless-sync-delay", "0")
        for name in ("primary", "replica"):
            (folder / name).mkdir()
        self.primary = RedisServer(folder / "primary", options=options)
        self.replica = RedisServer(folder / "replica", options=options)

    def __enter__(self) -> Self:
        self.primary.start()
        self.replica.start()
        with self._client(self.primary) as primary, self._client(self.replica) as replica:
            primary.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            replica.execute_command("CLUSTER MEET", "127.0.0.1", self.primary.port)
            node = primary.execute_command("CLUSTER MYID")
            wait_until(lambda: _replicates(replica, node), "the nodes know each other", 20)
            wait_until(lambda: primary.info("replication").get("slave0"), "it is replicated", 20)
            for one in (primary, replica):
                wait_until(partial(is_in_order, one), "the cluster takes commands", 20)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        os.kill(self.replica.pid, signal.SIGCONT)
        self.replica.stop()
        self.primary.stop()

    def url(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.primary.port}"

    def pause_replica(self) -> None:
        os.kill(self.replica.pid, signal.SIGSTOP)

    def _client(self, server: RedisServer) -> contextlib.closing[redis.Redis]:
        return contextlib.closing(redis.Redis(port=server.port))


def is_in_order(node: Any) -> bool:
    """Whether this node of a cluster finds that the cluster can work."""
    return bool(node.execute_command("CLUSTER INFO")["cluster_state"] == "ok")


def _replicates(client: redis.Redis, node: bytes) -> bool:
    try:
        return bool(client.execute_command("CLUSTER REPLICATE", node))
    except redis.ResponseError:  # it does not know that node yet
        return False


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
