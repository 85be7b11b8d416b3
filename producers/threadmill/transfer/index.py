"""Where in a file each thread's lines are: a file may be larger than memory, in any order."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Self

from threadmill.transfer.dropped import dropped_of_message, dropped_of_thread
from threadmill.transfer.encodings import open_as_utf8
from threadmill.transfer.lines import (
    AssistantLine,
    ItemLine,
    Line,
    MessageLine,
    ThreadLine,
    read_line,
)
from threadmill_shared import errors

_TABLES = """
    CREATE TABLE threads (id TEXT PRIMARY KEY, start INTEGER);
    CREATE TABLE lines (
        thread TEXT, start INTEGER, at INTEGER, position INTEGER, call TEXT, message TEXT
    );
    CREATE INDEX lines_of_thread ON lines (thread);
    CREATE UNIQUE INDEX messages ON lines (thread, message);
"""
_STEPS = """
    SELECT total(step < 0), total(step > 0)
    FROM (SELECT at - lag(at) OVER (PARTITION BY thread ORDER BY start) AS step FROM lines)
"""


@dataclass(frozen=True)
class IndexedLine:
    """Where a line of a thread is."""

    start: int
    """Its first byte's number."""
    at: int
    """Its time in milliseconds."""
    position: int | None
    call: str | None
    """`call` or `output`, and the call's id; None: it is neither."""


class FileIndex:
    """The lines of one file, all read and valid."""

    def __init__(self, file: BinaryIO, *, skip_invalid: bool = False) -> None:
        """Nothing is read yet.

        Args:
            file: what is read.
            skip_invalid: whether to go on after an invalid line.
        """
        self._file = file
        self._skip_invalid = skip_invalid
        # Its pages are moved to an unnamed temporary file if there are many.
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.executescript(_TABLES)
        self.assistants: list[int] = []
        """Where the assistants' lines begin."""
        self.messages = 0
        self.skipped = 0
        """Runs and steps."""
        self.repeated = 0
        """Lines of assistants and messages that an earlier line has the id of."""
        self.dropped: Counter[str] = Counter()
        """What is not kept of threads and messages, and of how many of them."""
        self.invalid: list[str] = []
        """The invalid lines, each with its number and the reason."""
        self._is_newest_first = False
        self.names: dict[str, str] = {}
        """The names of the file's assistants."""

    @classmethod
    def of(cls, file: BinaryIO, *, skip_invalid: bool = False) -> Self:
        """Read a file from its beginning to its end.

        Args:
            file: what is read.
            skip_invalid: whether to note invalid lines instead of raising an error.

        Raises:
            CallerError: a line is invalid; the error has its number and the reason.
        """
        index = cls(file, skip_invalid=skip_invalid)
        try:
            index._read_all()
        except BaseException:
            index.close()
            raise
        return index

    def _read_all(self) -> None:
        start = 0
        for number, raw in enumerate(self._file, 1):
            if text := raw.removeprefix(b"\xef\xbb\xbf").strip():
                try:
                    self._add(read_line(text), start)
                except errors.CallerError as error:
                    self._note_invalid(number, error)
            start += len(raw)
        self._database.commit()
        descents, ascents = self._database.execute(_STEPS).fetchone()
        self._is_newest_first = descents > ascents

    def _note_invalid(self, number: int, error: errors.CallerError) -> None:
        reason = f"{str(error).removesuffix('.')}."
        if not self._skip_invalid:
            raise errors.CallerError(f"Line {number}: {reason}") from None
        self.invalid.append(f"line {number}: {reason}")

    def close(self) -> None:
        """Forget it."""
        self._database.close()

    def line(self, start: int) -> Line:
        """The line that begins there."""
        self._file.seek(start)
        found = read_line(self._file.readline().removeprefix(b"\xef\xbb\xbf"))
        assert found is not None  # noqa: S101  what is skipped has no place here
        return found

    def threads(self) -> Iterator[tuple[str, int | None]]:
        """The ids of all threads, and where their own lines begin."""
        query = """
            SELECT id, start FROM threads UNION ALL
            SELECT DISTINCT thread, NULL FROM lines WHERE thread NOT IN (SELECT id FROM threads)
        """
        with closing(self._database.execute(query)) as rows:
            yield from rows

    def count_threads(self) -> int:
        """How many there are."""
        return sum(1 for _ in self.threads())

    def lines_of_thread(self, thread_id: str) -> list[IndexedLine]:
        """Where the thread's lines are, in the order in which they were said."""
        query = "SELECT start, at, position, call FROM lines WHERE thread = ? ORDER BY start"
        rows = self._database.execute(query, (thread_id,))
        lines = [IndexedLine(*row) for row in rows]
        return _without_incomplete_calls(
            _in_order(lines, is_file_newest_first=self._is_newest_first)
        )

    def _add(self, line: Line | None, start: int) -> None:
        match line:
            case None:
                self.skipped += 1
            case AssistantLine() if line.id in self.names:
                self.repeated += 1
            case AssistantLine():
                self.assistants.append(start)
                self.names[line.id] = line.definition().name
            case ThreadLine():
                if self._put("INSERT OR IGNORE INTO threads VALUES (?, ?)", line.id, start):
                    self.dropped.update(dropped_of_thread(line))
            case MessageLine() | ItemLine():
                extra = line.threadmill
                at = line.created_at * 1000 if extra.at is None else extra.at
                message_id = line.id if isinstance(line, MessageLine) else None
                row = (line.thread_id, start, at, extra.position, _call(line), message_id)
                is_new = self._put("INSERT OR IGNORE INTO lines VALUES (?, ?, ?, ?, ?, ?)", *row)
                if isinstance(line, MessageLine):
                    self._count_message(line, is_new=is_new)

    def _count_message(self, line: MessageLine, *, is_new: bool) -> None:
        self.messages += is_new
        self.repeated += not is_new
        if is_new:
            self.dropped.update(dropped_of_message(line))

    def _put(self, statement: str, *values: object) -> bool:
        """Execute an INSERT; returns whether the row is new."""
        return self._database.execute(statement, values).rowcount > 0


def open_index(path: str | Path, *, skip_invalid: bool = False) -> tuple[BinaryIO, FileIndex]:
    """Open a file and read it; both are the caller's to close."""
    file = open_as_utf8(path)
    try:
        return file, FileIndex.of(file, skip_invalid=skip_invalid)
    except BaseException:
        file.close()
        raise


def _call(line: MessageLine | ItemLine) -> str | None:
    if isinstance(line, MessageLine):
        return None
    item = line.item
    if item["type"] == "tool_call":
        return f"call {item['id']}"
    return f"output {item['call_id']}" if item["type"] == "tool_output" else None


def _in_order(lines: list[IndexedLine], *, is_file_newest_first: bool) -> list[IndexedLine]:
    """By position where all have one, else by time.

    Times are in whole seconds, so what has the same time stays as it is in the file, unless the
    thread has the newest first, as the Assistants API's lists had. If its times do not show that,
    the rest of the file does.
    """
    if all(line.position is not None for line in lines):
        return sorted(lines, key=lambda line: line.position or 0)
    steps = [later.at - former.at for former, later in pairwise(lines)]
    descents, ascents = (sum(step < 0 for step in steps), sum(step > 0 for step in steps))
    if is_file_newest_first if descents == ascents else descents > ascents:
        lines.reverse()
    return sorted(lines, key=lambda line: line.at)


def _without_incomplete_calls(lines: Iterable[IndexedLine]) -> list[IndexedLine]:
    """Leave out calls without an output, and outputs without a call: providers refuse them."""
    lines = list(lines)
    named = [(line.call or "").partition(" ") for line in lines]
    calls = {id for kind, _, id in named if kind == "call"}
    whole = calls & {id for kind, _, id in named if kind == "output"}
    return [
        line for line, (kind, _, id) in zip(lines, named, strict=True) if not kind or id in whole
    ]
