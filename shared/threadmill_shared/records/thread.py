"""A thread, as it is stored, and as a request names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json


@dataclass(frozen=True)
class ThreadRef:
    """The thread that a run is for."""

    id: str
    create: bool
    """Whether it may be created now."""
    metadata: Mapping[str, str] | None = None
    """Stored with it if it is created now."""
    key: str | None = None
    """The user's own name for it, from which its id follows; stored with it."""
    tool_resources: Mapping[str, Any] | None = None
    """Stored with it if it is created now."""


@dataclass(frozen=True)
class ThreadRecord:
    """One reading of a thread's record."""

    id: str
    created_at: int
    """In milliseconds of the server's clock."""
    last: int
    """Position of the last item; 0 if there is none."""
    key: str | None
    """The caller's own name for the thread, if the store knows it."""
    metadata: dict[str, Any]
    head: str = ""
    """The run that holds it; empty: none does."""
    tool_resources: dict[str, Any] = field(default_factory=dict)
    """What hosted tools may use, in the Assistants API's shape."""
    active_at: int | None = None
    """When it was active last, in milliseconds; None: this was read elsewhere than in a list."""

    @classmethod
    def read(
        cls, thread_id: str, fields: Mapping[str, str], *, active_at: int | None = None
    ) -> ThreadRecord:
        """Read the fields of the thread's hash, of which some may be missing."""
        return cls(
            id=thread_id,
            created_at=int(fields.get("created_at") or 0),
            last=int(fields.get("last") or 0),
            key=fields.get("key") or None,
            metadata=from_json(fields.get("metadata") or "{}"),
            head=fields.get("head") or "",
            tool_resources=from_json(fields.get("tool_resources") or "{}"),
            active_at=active_at,
        )
