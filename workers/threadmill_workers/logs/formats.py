"""The two formats of log lines: for people, and for programs."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from threadmill_shared.records.workers import process_name
from threadmill_workers.logs.entry import LogLine, read_log_record, safe_text
from threadmill_workers.logs.fields import IDS


class _WorkersFormatter(logging.Formatter):
    def __init__(self, worker: str | None = None) -> None:
        """A format for the lines of one process.

        Args:
            worker: its name; None: `host:pid`; empty: it is no worker.
        """
        super().__init__()
        name = process_name() if worker is None else worker
        self._worker = {"worker": name} if name else {}


class ConsoleFormatter(_WorkersFormatter):
    """`TIME LEVEL LOGGER: MESSAGE`, and the ids at the end; what follows a line is indented."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        line = read_log_record(record)
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        fields = {**line.extra, **_unsaid(line), **self._worker}
        ids = " ".join(f"{_shown(name)}={_shown(value)}" for name, value in fields.items())
        first, *rest = line.message.splitlines() or [""]
        source = f"{record.levelname} {_shown(record.name)}"
        head = f"{now}.{int(record.msecs):03d} {source}: {first}  {ids}"
        # Indented, so that nothing in a message can pass for a line of its own.
        return "\n    ".join([head, *rest, *line.traceback.splitlines()])


class JsonFormatter(_WorkersFormatter):
    """One JSON object, in one line of ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line = read_log_record(record)
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        named = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": line.message,
            **self._worker,
            **line.ids,
        }
        if line.traceback:
            named["traceback"] = line.traceback
        return _encoded({**named, **_unnamed(line, named)})


def _unsaid(line: LogLine) -> dict[str, str | float]:
    """The ids that the message does not have."""
    ids = {name: line.ids[name] for name in IDS if name in line.ids}
    return {name: id for name, id in ids.items() if not _is_said(name, id, line.message)}


def _is_said(name: str, id: str | float, message: str) -> bool:
    said = str(id) if name in {"run", "thread"} else f"{name} {id!r}"
    return said in message


def _unnamed(line: LogLine, named: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.extra.items() if name not in named}


def _encoded(entry: Mapping[str, Any]) -> str:
    try:
        return _dumped(entry)
    except (TypeError, ValueError, RecursionError):  # a key or a number that JSON does not know
        return _dumped({safe_text(name): _known(value) for name, value in entry.items()})


def _known(value: object) -> object:
    """The value, if it can be written as JSON, or else its text."""
    try:
        _dumped(value)
    except (TypeError, ValueError, RecursionError):
        return safe_text(value)
    return value


def _dumped(value: object) -> str:
    return json.dumps(value, default=safe_text, allow_nan=False)


def _shown(value: object) -> str:
    """A value as one word; in quotes, if it is not one."""
    text = safe_text(value)
    return text if text and text.isprintable() and not set(text) & set(' "=') else json.dumps(text)
