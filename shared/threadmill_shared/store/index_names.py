"""The names of the indexes that lists are read from, within a bucket; scripts make the same."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from threadmill_shared import ids
from threadmill_shared.records.definition import RunSnapshot

ALL_RUNS = "all_runs"
ALL_THREADS = "active"
ALL_FILES = "all_files"


def status_index(status: str) -> str:
    """The runs with a status."""
    return f"status:{status}"


def runs_of_thread(thread_id: str) -> str:
    """The runs of a thread."""
    return f"runs:{thread_id}"


def error_index(word: str) -> str:
    """The runs with an error of this name, or with this code."""
    return f"error:{_digest(word)}"


def assistant_indexes(request: RunSnapshot) -> list[str]:
    """The indexes that a run stands in for its assistant's sake."""
    id, name = request.assistant_id, request.assistant_name
    words = [id] if id == ids.named_assistant_id(name) else [id, name]
    return [_assistant_index(word) for word in words]


def indexes_of_assistant(id_or_name: str) -> list[str]:
    """The indexes that have all runs of the assistant with this id, or of those with this name."""
    return [_assistant_index(word) for word in (id_or_name, ids.named_assistant_id(id_or_name))]


@lru_cache
def _assistant_index(word: str) -> str:
    return f"assistant:{_digest(word)}"


def metadata_index(key: str, value: str) -> str:
    """The threads with this value in their metadata."""
    return f"metadata:{_digest(f'{key}={value}')}"


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:16]
