"""The operations behind the handles. Each module is loaded when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from threadmill_shared.lazy_imports import lazy_modules

if TYPE_CHECKING:
    from threadmill.runs import (
        answers,
        attachments,
        checks,
        definitions,
        downloads,
        event_stream,
        files,
        handles,
        lists,
        many,
        options,
        registration,
        request,
        result_types,
        threads,
        tool_list,
        waiting,
    )

__all__ = [
    "answers",
    "attachments",
    "checks",
    "definitions",
    "downloads",
    "event_stream",
    "files",
    "handles",
    "lists",
    "many",
    "options",
    "registration",
    "request",
    "result_types",
    "threads",
    "tool_list",
    "waiting",
]

if not TYPE_CHECKING:  # a type checker that saw this would take every name for one of ours
    __getattr__ = lazy_modules(__name__)
