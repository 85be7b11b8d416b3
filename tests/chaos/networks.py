"""Networks of this test's own, in which a worker can be cut off from Redis.

The hub is a network namespace in which all processes run. A leaf is one worker's; two pairs of
virtual cables lead to it, one to the store's address and one to the provider's. All addresses exist
inside these namespaces only. Without root, or where the kernel refuses, there are none.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from typing import Self

STORE, PROVIDER = "10.77.0.1", "10.77.0.2"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Leaf:
    """One worker's network, seen from the hub."""

    namespace: str
    cable: str
    """The hub's end of the cable that leads to the store."""

    @property
    def prefix(self) -> tuple[str, ...]:
        """Before a command that is to be executed there; the process keeps its id."""
        return ("ip", "netns", "exec", self.namespace)

    def cut(self) -> None:
        """From now on nothing arrives, and nobody is told."""
        ip("link", "set", self.cable, "down")

    def mend(self) -> None:
        ip("link", "set", self.cable, "up")


class Networks:
    """A hub and leaves, which exist until the end of the `with` block."""

    def __init__(self, leaves: int) -> None:
        self._name = f"chaos-{os.getpid()}"
        self._made: list[str] = []
        self._count = leaves
        self.leaves: list[Leaf] = []

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", f"{self._name}-hub")

    def __enter__(self) -> Self:
        try:
            hub = self._namespace("hub")
            for address in (STORE, PROVIDER):
                ip("-n", hub, "address", "add", f"{address}/32", "dev", "lo")
            self.leaves = [self._leaf(hub, number) for number in range(1, self._count + 1)]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for namespace in reversed(self._made):
            end_processes(namespace)
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "delete", namespace)

    def _namespace(self, name: str) -> str:
        namespace = f"{self._name}-{name}"
        ip("netns", "add", namespace)
        self._made.append(namespace)
        ip("-n", namespace, "link", "set", "lo", "up")
        return namespace

    def _leaf(self, hub: str, number: int) -> Leaf:
        leaf = self._namespace(f"leaf-{number}")
        for name, server in (("store", STORE), ("model", PROVIDER)):
            end = f"{name}{number}"
            net = f"10.77.{number}.{1 if name == 'store' else 129}"
            peer = net[: net.rfind(".") + 1] + ("2" if name == "store" else "130")
            ip("-n", hub, "link", "add", end, "type", "veth", "peer", "name", name, "netns", leaf)
            ip("-n", hub, "address", "add", f"{net}/25", "dev", end)
            ip("-n", leaf, "address", "add", f"{peer}/25", "dev", name)
            ip("-n", hub, "link", "set", end, "up")
            ip("-n", leaf, "link", "set", name, "up")
            ip("-n", leaf, "route", "add", f"{server}/32", "via", net)
        return Leaf(leaf, f"store{number}")


def ip(*words: str) -> str:
    found = subprocess.run(("ip", *words), check=True, capture_output=True, text=True, timeout=10)
    return found.stdout


def end_processes(namespace: str) -> None:
    """Whoever is left in a namespace of ours was started by us, and is in nobody else's way."""
    with contextlib.suppress(subprocess.CalledProcessError):
        for pid in ip("netns", "pids", namespace).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def are_possible() -> bool:
    """Whether this process may make network namespaces here."""
    if os.geteuid() or not shutil.which("ip"):
        return False
    try:
        with Networks(1):
            return True
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return False
