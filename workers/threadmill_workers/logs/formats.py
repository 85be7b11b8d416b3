"""The two formats of log lines: for people, and for programs."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from threadmill_workers.logs.entry import LogLine, read_log_record
from threadmill_workers.logs.fields import IDS


class ConsoleFormatter(logging.Formatter):
    """`TIME LEVEL LOGGER: MESSAGE`, and the ids at the end; what follows a line is indented."""

    def __init__(self, worker: str) -> None:
        """A format for the lines of one process; `worker` is its name, if it is one."""
        super().__init__()
        self._worker = {"worker": worker} if worker else {}

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        line = read_log_record(record)
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        fields = {**line.extra, **_unsaid(line), **self._worker}
        ids = " ".join(f"{name}={_shown(value)}" for name, value in fields.items())
        first, *rest = line.message.splitlines() or [""]
        head = f"{now}.{int(record.msecs):03d} {record.levelname} {record.name}: {first}  {ids}"
        # Indented, so that nothing in a message can pass for a line of its own.
        return "\n    ".join([head, *rest, *line.traceback.splitlines()])


class JsonFormatter(logging.Formatter):
    """One JSON object, in one line of ASCII."""

    def __init__(self, worker: str) -> None:
        """A format for the lines of one process; `worker` is its name, if it is one."""
        super().__init__()
        self._worker = {"worker": worker} if worker else {}

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
        return json.dumps(entry, default=_shown, allow_nan=False)
    except (TypeError, ValueError, RecursionError):  # a key or a number that JSON does not know
        return json.dumps({name: _shown(value) for name, value in entry.items()})


def _shown(value: object) -> str:
    """A value as one word; in quotes, if it is not one."""
    try:
        text = str(value)
    except Exception:  # noqa: BLE001  a user's class, with a faulty __str__
        text = f"<{type(value).__name__}>"
    return text if text and text.isprintable() and not set(text) & set(' "=') else json.dumps(text)
