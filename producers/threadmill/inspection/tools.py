"""The tools that workers can execute, and which version of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from threadmill.inspection.workers import WorkerView


@dataclass(frozen=True)
class ToolVersion:
    """One version of a tool."""

    identity: str
    """Module and qualified name, `shop.orders:refund`."""
    digest: str
    """Changes with the tool's name and with the schema of its arguments."""
    workers: tuple[str, ...]
    """Those that have it, `host:pid`."""
    differs: bool
    """Whether other workers have another version: a run's call is executed only by the workers
    that have the version with which the run was enqueued."""


def tool_versions(workers: Sequence[WorkerView]) -> list[ToolVersion]:
    """The versions of all tools that these workers have, by identity and digest."""
    found: dict[tuple[str, str], list[str]] = {}
    for worker in workers:
        for tool in worker.tools.items():
            found.setdefault(tool, []).append(worker.worker)
    identities = [identity for identity, _ in found]
    return [
        ToolVersion(identity, digest, tuple(names), identities.count(identity) > 1)
        for (identity, digest), names in sorted(found.items())
    ]
