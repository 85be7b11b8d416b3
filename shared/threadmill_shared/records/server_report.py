"""What a Redis server says about itself, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FULL_SHARE = 0.9
"""Share of `maxmemory` from which on nothing new is taken in."""


@dataclass(frozen=True)
class ServerReport:
    """One server: of a Cluster, one of its primaries."""

    address: str
    """`host:port`, or the path of its socket."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """`INFO`, with redis-py's types; empty if the user has no right for it."""
    config: Mapping[str, str] = field(default_factory=dict)
    """The settings that were asked for; empty if the user has no right for `CONFIG GET`."""
    clock_offset: float | None = None
    """Seconds by which its clock is ahead of this machine's; None: it did not say."""
    clock_error: float = 0.0
    """By how much that may be wrong: half of the round trip."""
    forbidden: tuple[str, ...] = ()
    """The commands that threadmill needs and for which the user has no right."""
    is_open: bool | None = None
    """Whether it serves clients without a password; None: not known."""

    def is_on(self, name: str, wanted: str) -> bool:
        """Whether a member of `INFO` has this value; False if it is not known."""
        return str(self.info.get(name, "")) == wanted
