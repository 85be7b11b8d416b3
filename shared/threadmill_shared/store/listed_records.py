"""Reads the records of the entries of a list."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from threadmill_shared import errors
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.run import LISTED_FIELDS, RunRecord
from threadmill_shared.records.thread import ThreadRecord
from threadmill_shared.store.index_reader import Position
from threadmill_shared.store.session import Session

logger = logging.getLogger("threadmill.store")

T = TypeVar("T")


class ListedRecords:
    """Reads the records of one page; None stands for one that is gone or cannot be read."""

    def __init__(self, session: Session, told: set[str]) -> None:
        """Nothing is read yet.

        Args:
            session: the namespace.
            told: the ids of records that cannot be read, of which the log has told already.
        """
        self._keys = session.keys
        self._runner = session.runner
        self._told = told
        self.lacks_some = False
        """Whether a record is there that this release cannot read."""

    async def runs(self, entries: Sequence[Position]) -> list[RunRecord | None]:
        """The records of runs, as far as lists show them."""
        found = await self._runner.commands(
            ("HMGET", self._keys.run(entry.id), *LISTED_FIELDS) for entry in entries
        )
        return [
            self._readable(_run, entry, values)
            for entry, values in zip(entries, found, strict=True)
        ]

    async def definitions(self, entries: Sequence[Position]) -> list[Definition | None]:
        """The definitions of assistants, by their ids or names, with their times."""
        keys = self._keys
        found = await self._runner.commands(
            command
            for entry in entries
            for command in (
                ("GET", keys.created(entry.id)),
                ("ZSCORE", keys.registered(), entry.id),
                ("GET", keys.published(entry.id)),
                ("ZSCORE", keys.first_published(), entry.id),
            )
        )
        return [
            self._readable(_definition, entry, found[4 * at : 4 * at + 4])
            for at, entry in enumerate(entries)
        ]

    async def threads(self, entries: Sequence[Position]) -> list[ThreadRecord | None]:
        """The records of threads."""
        found = await self._runner.commands(
            ("HGETALL", self._keys.thread(entry.id)) for entry in entries
        )
        return [
            self._readable(_thread, entry, fields)
            for entry, fields in zip(entries, found, strict=True)
        ]

    def _readable(
        self, read: Callable[[Position, Any], T | None], entry: Position, found: Any
    ) -> T | None:
        try:
            return read(entry, found)
        except (errors.StoreIncompatible, ValueError, TypeError, KeyError):
            self.lacks_some = True
            if entry.id not in self._told:
                self._told.add(entry.id)
                logger.warning("lists leave out %s: this release cannot read its record", entry.id)
            return None


def _run(entry: Position, values: Sequence[Any]) -> RunRecord | None:
    pairs = zip(LISTED_FIELDS, values, strict=True)
    fields = {name: value for name, value in pairs if value is not None}
    return RunRecord.read(entry.id, fields) if "status" in fields else None


def _definition(entry: Position, replies: Sequence[Any]) -> Definition | None:
    text, at = replies[:2] if replies[0] else replies[2:]
    return Definition.read(text, f"The definition of {entry.id!r}").dated(at) if text else None


def _thread(entry: Position, fields: Mapping[str, str]) -> ThreadRecord | None:
    if not fields:
        return None
    record = ThreadRecord.read(entry.id, fields, active_at=int(entry.score))
    if not isinstance(record.metadata, dict):
        raise TypeError("metadata is no object")
    return record
