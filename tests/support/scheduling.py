"""Tests in several processes at once, and those that need the machine for themselves.

Tests with things in common (a module, and what its fixtures have started) are a group: one process
executes them, one after the other. If they have nothing in common, `apart` makes each one a group,
so that a long module is shared out. A test marked `quiet` measures something that others
would disturb, seconds or bytes; these are the last group, and nothing else is tested meanwhile.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

import pytest

QUIET = "quiet"
TOGETHER = "together"
APART = "apart"
_PARTED_BY = ("api", "server_kind", "setting")
"""Parameters that part a module into groups: what its fixtures start is different anyway."""


# ---- groups ------------------------------------------------------------------------------------


def group(item: pytest.Item) -> str:
    """The name of the group that the test belongs to."""
    if item.get_closest_marker(QUIET):
        return QUIET
    if item.get_closest_marker(APART):
        return item.nodeid
    if named := item.get_closest_marker(TOGETHER):
        return str(named.args[0])
    return " ".join([item.nodeid.partition("::")[0], *_kinds(item)])


def _kinds(item: pytest.Item) -> Iterable[str]:
    params: Mapping[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    return (str(params[name]) for name in _PARTED_BY if name in params)


def put_quiet_ones_last(items: list[pytest.Item]) -> None:
    """Sort them so that no process has to wait in the middle until another one is done."""
    items.sort(key=lambda item: group(item) == QUIET)


class Groups:
    """Which group each test belongs to; told by who executes them to who shares them out.

    pytest-xdist knows groups too. It adds their names to the tests' ids, which pytest 9.2 ignores,
    so that every test would be a group of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "groups"

    def write(self, items: Iterable[pytest.Item], writer: str) -> None:
        """Write them down; all processes write the same."""
        new = self._file.with_suffix(f".{writer}")
        new.write_text(json.dumps({item.nodeid: group(item) for item in items}))
        new.rename(self._file)

    def of(self, nodeid: str) -> str:
        """The group of a test, by its id."""
        return self._read.get(nodeid, nodeid)

    @cached_property
    def _read(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._file.read_text())
        return found


# ---- side by side, or alone --------------------------------------------------------------------


class MachineLock:
    """Tests are executed by many processes that share it, or by one that has it alone.

    Who wants to be alone keeps the queue locked while the others come to an end, so that it gets
    its turn. A process that ends releases it by itself.
    """

    def __init__(self, folder: Path) -> None:
        self._queue = (folder / "queue").open("w")
        self._machine = (folder / "machine").open("w")
        self._is_held = False

    def acquire(self, *, alone: bool) -> None:
        """Wait for it; to acquire it again changes nothing."""
        if self._is_held:
            return
        fcntl.flock(self._queue, fcntl.LOCK_EX)
        fcntl.flock(self._machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(self._queue, fcntl.LOCK_UN)
        self._is_held = True

    def release(self) -> None:
        """Let others have it."""
        fcntl.flock(self._machine, fcntl.LOCK_UN)
        self._is_held = False

    def close(self) -> None:
        """Release it for good."""
        self._queue.close()
        self._machine.close()
