"""A server of each kind that the store is tested with, started at its first use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.servers.cluster import ClusterServer
from tests.support.servers.redis_server import RedisServer


class Servers:
    """Starts a server of each kind at its first use; all end with the `with` block."""

    def __init__(self, make_folder: Callable[[str], Path]) -> None:
        self._make_folder = make_folder
        self._running: dict[str, RedisServer | ClusterServer] = {}
        self._open = contextlib.ExitStack()

    def get(self, kind: str) -> RedisServer | ClusterServer:
        """The server of this kind.

        Raises:
            FileNotFoundError: this machine has none.
        """
        if kind not in self._running:
            make = ClusterServer if kind == "cluster" else RedisServer
            self._running[kind] = self._open.enter_context(make(self._make_folder(kind), kind))
        return self._running[kind]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._open.close()
