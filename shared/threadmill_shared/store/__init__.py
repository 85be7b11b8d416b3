"""Everything that talks to Redis; nothing else does.

Modules are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from threadmill_shared.lazy_imports import lazy_modules

if TYPE_CHECKING:
    from threadmill_shared.store import (
        assistants,
        client_requests,
        held_runs,
        indexer,
        indexes,
        inspector,
        lists,
        parked_runs,
        run_pages,
        uploaded_files,
        workers,
    )

__all__ = [
    "assistants",
    "client_requests",
    "held_runs",
    "indexer",
    "indexes",
    "inspector",
    "lists",
    "parked_runs",
    "run_pages",
    "uploaded_files",
    "workers",
]

if not TYPE_CHECKING:  # a type checker that saw this would take every name for one of ours
    __getattr__ = lazy_modules(__name__)
