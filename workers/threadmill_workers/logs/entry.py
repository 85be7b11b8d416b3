"""A log line as data, whoever has logged it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from threadmill_shared.log_text import FIELDS
from threadmill_workers.logs.fields import current_fields
from threadmill_workers.logs.libraries import is_of_library, shorten

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", FIELDS}
"""What each record has; everything else was added by whoever logged it."""
_NO_FIELDS: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class LogLine:
    """What is known of one line."""

    message: str
    ids: Mapping[str, str | float]
    """Which run, thread, assistant and attempt it is about; not all are known of each line."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What a user's code has added with `extra=`."""
    traceback: str = ""


def read_log_record(record: logging.LogRecord) -> LogLine:
    """What a record says; of libraries' records, nothing that could quote a user."""
    added: Mapping[str, Any] = getattr(record, FIELDS, _NO_FIELDS)
    named = {**current_fields(), **{k: v for k, v in added.items() if k != "traceback"}}
    ids = {name: value for name, value in named.items() if value is not None}
    if is_of_library(record.name):
        return LogLine(shorten(record), ids)
    return LogLine(
        message=_message(record),
        ids=ids,
        extra={name: value for name, value in vars(record).items() if name not in _OWN},
        traceback=added.get("traceback") or _traceback(record),
    )


def safe_text(value: object) -> str:
    """A value as text, even if its class does not know how."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001  a user's class, with a faulty __str__; or a huge number
        return f"<{type(value).__name__}>"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  logging itself would print a traceback, and the arguments
        words = safe_text(record.msg)
        return f"{words} (its arguments do not fit it)" if record.args else words


def _traceback(record: logging.LogRecord) -> str:
    """The traceback that a user's code has logged, as Python prints it."""
    lines = []
    if record.exc_info and record.exc_info[0] is not None:
        lines += _format(record.exc_info)
    if record.stack_info:
        lines.append(record.stack_info)
    return "".join(lines).rstrip("\n")


def _format(found: Any) -> list[str]:
    try:
        return traceback.format_exception(*found)
    except Exception:  # noqa: BLE001  users can pass anything as `exc_info`
        return [f"{safe_text(found)} (it is no error with its traceback)"]
