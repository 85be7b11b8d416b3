"""What is stored and passed around, as plain frozen data; no module here does any I/O.

Each module is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from threadmill_shared.lazy_imports import lazy_modules

if TYPE_CHECKING:
    from threadmill_shared.records import (
        changes,
        definition,
        new_messages,
        objects,
        page,
        thread,
    )

__all__ = ["changes", "definition", "new_messages", "objects", "page", "thread"]

if not TYPE_CHECKING:  # a type checker that saw this would take every name for one of ours
    __getattr__ = lazy_modules(__name__)
