"""This process's connections, and the ways to use them. Modules are loaded at their first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from threadmill_shared.lazy_imports import lazy_modules

if TYPE_CHECKING:
    from threadmill.client import caller_errors, driving

__all__ = ["caller_errors", "driving"]

if not TYPE_CHECKING:  # a type checker that saw this would take every name for one of ours
    __getattr__ = lazy_modules(__name__)
