"""How far the indexes of lists are with what earlier releases have written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from pydantic_core import from_json

SEEN_SECONDS = 60
"""After so long without an indexer, workers of an earlier release may have come and gone."""


@dataclass(frozen=True)
class IndexingState:
    """What the worker that repairs the indexes has noted."""

    is_complete: bool = False
    """Whether all that is stored is indexed, as far as the indexer knows."""
    metadata: tuple[str, ...] = ()
    """The keys of metadata that are indexed, or are being indexed."""
    seen_at: int = 0
    """When the indexer looked last, in seconds."""
    keys: int = 0
    """How many keys of the server the pass has looked at."""
    cursor: str = ""
    """Where the pass is; empty: none is under way."""
    server: str = ""
    """The server that the cursor belongs to."""
    checked_at: int = 0
    """When the last whole pass ended, in seconds."""

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Self:
        """Build it from what is stored; what is missing there is as in a new store."""
        return cls(
            is_complete=fields.get("is_complete") == "1",
            metadata=tuple(filter(None, fields.get("metadata", "").split(","))),
            seen_at=int(fields.get("seen_at", 0)),
            keys=int(fields.get("keys", 0)),
            cursor=fields.get("cursor", ""),
            server=fields.get("server", ""),
            checked_at=int(fields.get("checked_at", 0)),
        )


def is_incomplete(
    state: IndexingState, registrations: Iterable[str], now: int, metadata: Iterable[str]
) -> bool:
    """Whether lists may lack entries.

    Args:
        state: what the indexer has noted.
        registrations: of the workers, as they are stored.
        now: the server's time in seconds.
        metadata: the keys whose indexes are read.
    """
    return (
        not state.is_complete
        or now - state.seen_at > SEEN_SECONDS
        or not set(metadata) <= set(state.metadata)
        or any(not keeps_indexes(one) for one in registrations)
    )


def keeps_indexes(registration: str) -> bool:
    """Whether a worker that is registered so keeps the indexes of what it writes."""
    return bool(from_json(registration).get("keeps_indexes"))
