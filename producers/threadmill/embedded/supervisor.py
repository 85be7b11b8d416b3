"""Keeps a folder's embedded server: starts it, and ends it when it has had no clients for a while.

It restarts a killed server with the data of its append-only file: nothing else would.

Run as a program of its own, with nothing of threadmill imported:
`python -P supervisor.py SERVER_PROGRAM FOLDER SOCKET`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import redis

NAME = "threadmill-keeper"
"""The name of the supervisor's connection, which does not count as a use."""
IDLE_SECONDS = 10.0
LOOK_SECONDS = 1.0


def supervise(program: str, folder: Path, socket: Path) -> None:
    """Run the server until nobody is left, or until SIGTERM.

    The lock on the file `keeper` is held until the process is gone, however it ends.
    """
    fcntl.flock(os.open(folder / "keeper", os.O_WRONLY | os.O_CREAT), fcntl.LOCK_EX)
    while _run_until_end(_command(program, folder, socket), folder, socket):
        sys.stderr.write("the server was killed; restarting it\n")


def _run_until_end(command: list[str], folder: Path, socket: Path) -> bool:
    """Run the server to its end; returns whether it was killed after having run for a while."""
    socket.unlink(missing_ok=True)
    began = time.monotonic()
    server = subprocess.Popen(command, cwd=folder)  # noqa: S603
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        _end_when_idle(server, folder, socket)
        has_run = time.monotonic() - began > LOOK_SECONDS  # else it would die again and again
        return has_run and server.wait() < 0 and server.returncode != -signal.SIGTERM
    finally:
        # Whatever went wrong, a deleted folder for instance: nobody else would end it.
        server.terminate()
        server.wait()


def _end_when_idle(server: subprocess.Popen[bytes], folder: Path, socket: Path) -> None:
    client = _connect(socket)
    last_used = time.monotonic()
    ended = threading.Event()
    threading.Thread(target=_signal_end, args=(server, ended), daemon=True).start()
    try:
        while not ended.wait(LOOK_SECONDS):
            if _count_others(client) > 0:
                last_used = time.monotonic()
            elif time.monotonic() - last_used > IDLE_SECONDS:
                _end_if_unused(client, folder)
    finally:  # for one, the folder was deleted: no server outlives its supervisor
        server.terminate()
        ended.wait()


def _connect(socket: Path) -> redis.Redis:
    # Imported only when the server starts already: a script waits for it.
    import redis  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    return redis.Redis(
        unix_socket_path=str(socket),
        socket_timeout=5,
        client_name=NAME,
        retry=Retry(NoBackoff(), 0),
    )


def _signal_end(server: subprocess.Popen[bytes], ended: threading.Event) -> None:
    server.wait()
    ended.set()


def _command(program: str, folder: Path, socket: Path) -> list[str]:
    options = {
        "--port": "0",
        "--unixsocket": str(socket),
        "--unixsocketperm": "700",
        "--dir": str(folder),
        "--appendonly": "yes",
        "--save": "",
        "--maxmemory-policy": "noeviction",
        "--daemonize": "no",
        "--loglevel": "warning",
        "--logfile": str(folder / "server.log"),
    }
    return [program, *chain.from_iterable(options.items())]


def _count_others(client: redis.Redis) -> int:
    from redis.exceptions import RedisError  # noqa: PLC0415  see above

    try:
        info = client.info("clients")
    except RedisError:
        return 1  # it loads its data, or is too busy to say: not a reason to end it
    return int(info["connected_clients"]) - 1


def _end_if_unused(client: redis.Redis, folder: Path) -> None:
    # Under the lock of those who start it, so that nobody finds a server that is about to end.
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if _count_others(client) <= 0:
            client.shutdown(nosave=True)


if __name__ == "__main__":
    supervise(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
