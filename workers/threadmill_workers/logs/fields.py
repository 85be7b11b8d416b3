"""The fields of log lines: which run, thread, assistant and attempt a line is about.

They are set once for an attempt, as a context variable: coroutines, callbacks and the threads of
tools inherit it, so the lines that a user's tool logs have them, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from threadmill_shared.records.run import RunRecord

Fields = Mapping[str, str | int]
IDS = ("run", "thread", "assistant", "attempt")

_current: ContextVar[Fields] = ContextVar("threadmill_log_fields")
_NONE: Fields = {}


def current_fields() -> Fields:
    """The fields of a line that is logged here and now."""
    return _current.get(_NONE)


def run_fields(record: RunRecord) -> Fields:
    """The fields of the lines about a run that was claimed."""
    return {
        "run": record.id,
        "thread": record.thread_id,
        "assistant": record.request.assistant_name,
        "attempt": record.attempts,
    }


@contextmanager
def log_fields(fields: Fields) -> Iterator[None]:
    """Give these fields, and no others, to all lines that are logged in the `with` block."""
    token = _current.set(fields)
    try:
        yield
    finally:
        _current.reset(token)
