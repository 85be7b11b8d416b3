"""How far the indexes of lists are with what earlier releases have written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from pydantic_core import from_json

SEEN_SECONDS = 60
"""After so long without an indexer, workers of an earlier release may have come and gone."""


DOUBT = "is_doubted"


@dataclass(frozen=True)
class IndexingState:
    """What the indexer has noted. Times are in seconds of the server's clock."""

    is_complete: bool = False
    """Whether all that is stored is indexed, as far as the indexer knows."""
    metadata: str = ""
    """The keys of metadata by which all threads are indexed, with commas between them."""
    wanted: str = ""
    """Those by which they are to be indexed."""
    seen_at: int = 0
    """When the indexer looked last."""
    checked_at: int = 0
    """When the last pass over all keys ended."""
    passes: int = 0
    """Passes since the indexes were last in doubt."""
    is_passing: bool = False
    """Whether a pass is under way."""
    saw_others: bool = False
    """Whether a worker that keeps no indexes was registered during the pass."""
    place: str = ""
    """Where the pass is; empty: at the beginning."""
    server: str = ""
    """The servers that the place belongs to."""
    keys: int = 0
    """Keys of the servers that the pass has looked at."""
    missing: int = 0
    """Entries that it has added or put right."""
    is_doubted: bool = False
    """Whether a worker has seen, or cannot rule out, that others wrote without indexes; any worker
    notes that, and the indexer takes it back when it has drawn its conclusions."""

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Self:
        """Build it from what is stored; what is missing there is as in a new store."""
        found: dict[str, Any] = {name: fields.get(name, "") for name in _TEXTS}
        found |= {name: fields.get(name) == "1" for name in _FLAGS}
        found |= {name: int(fields.get(name) or 0) for name in _NUMBERS}
        return cls(**found)

    def fields(self) -> list[str | int]:
        """The fields as the indexer stores them, name and value in turn."""
        return [
            part
            for name, value in asdict(self).items()
            if name != DOUBT
            for part in (name, int(value) if isinstance(value, bool) else value)
        ]


_TEXTS = ("metadata", "wanted", "place", "server")
_FLAGS = ("is_complete", "is_passing", "saw_others", DOUBT)
_NUMBERS = ("seen_at", "checked_at", "passes", "keys", "missing")


def is_incomplete(
    state: IndexingState, registrations: Iterable[str], now: int, metadata: Iterable[str]
) -> bool:
    """Whether lists may lack entries.

    Args:
        state: what the indexer has noted.
        registrations: of the workers, as they are stored; without any that keeps indexes, nobody
            notices who writes without.
        now: the server's time in seconds.
        metadata: the keys whose indexes are read.
    """
    known = [keeps_indexes(one) for one in registrations]
    is_watched = any(known) and all(known) and now - state.seen_at <= SEEN_SECONDS
    is_known = state.is_complete and not state.is_doubted
    return not (is_watched and is_known and set(metadata) <= set(state.metadata.split(",")))


def keeps_indexes(registration: str) -> bool:
    """Whether a worker that is registered so keeps the indexes of what it writes."""
    try:
        known = from_json(registration)
    except ValueError:
        return False
    return isinstance(known, dict) and bool(known.get("keeps_indexes"))
