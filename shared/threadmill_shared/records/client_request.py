"""Requests of clients that create something: who sends one again gets the same object."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """What tells a request from others, and a repeat of it from a new one."""

    digest: str
    """Of the request's key and path; or, without a key, of all that a repeat has in common."""
    content: str = ""
    """A digest of what it asks for, if it has a key."""
    tries: int = 0
    """How often it was sent before, as far as its client says so."""
    is_shared: bool = False
    """Whether its path does not tell whose the object is: another user's can be equal."""
    came_at: float = field(default_factory=time.monotonic)

    @property
    def is_keyed(self) -> bool:
        """Whether the client gave it a key."""
        return bool(self.content)

    def encoded(self) -> str:
        """The request as scripts take it; see `include/client_requests.lua`."""
        if self.is_keyed:
            return f"key {self.content} 0 0"
        milliseconds = round(1000 * (time.monotonic() - self.came_at))
        return f"try {self.tries} {milliseconds} {int(self.is_shared)}"


@dataclass(frozen=True, slots=True)
class Created:
    """What a request has created, or an earlier try of it."""

    id: str
    at: str
    """When: in the unit in which the object's times are stored."""
    made: str
    """The id that this try would have given to it."""

    @property
    def is_new(self) -> bool:
        """Whether this try has created it."""
        return self.id == self.made
